"""The HTML of the pages on which people sign in to the sandbox, pick a patient and see an app in a chart."""

from __future__ import annotations

from typing import Final

_HEAD: Final = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{{ title }}</title>'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    "<style>body{font:1rem/1.5 sans-serif;margin:0;color:#1c2733;background:#eef1f4}"
    "header{background:#27384a;color:#fff;padding:.75rem 1.5rem}header h1{font-size:1.1rem;margin:0}"
    "header a,header p{color:#fff;margin:.25rem 0 0;font-size:.9rem}main{padding:1rem 1.5rem}form,p{max-width:40rem}"
    "iframe{display:block;width:100%;height:44rem;border:1px solid #9aa7b4;background:#fff}"
    "label{display:block;margin:.75rem 0}select,button{font:inherit;padding:.35rem .6rem;max-width:100%}</style></head>"
    "<body><header><h1>{{ title }}</h1><p>Sandbox EHR. All people are invented.</p></header><main>"
)
SIGN_IN: Final = (
    _HEAD
    + '<p>There are no passwords here: pick who you are.</p><form method="post" action="/auth/sign-in">'
    + '<input type="hidden" name="request" value="{{ request_id }}">'
    + '<label>I am <select name="user">{% for id, name in users %}<option value="{{ id }}">{{ name }}</option>'
    + "{% endfor %}</select></label>"
    + '{% if patients is not none %}<label>Patient <select name="patient">{% for id, name in patients %}'
    + '<option value="{{ id }}">{{ name }}</option>{% endfor %}</select></label>{% endif %}'
    + "<p>{{ app }} asks for: {{ scope }}</p>"
    + '<button name="allow" value="yes">Allow</button> <button name="allow" value="no">Refuse</button></form>'
)
LAUNCHER: Final = (
    _HEAD
    + '<form action="/launcher/chart"><label>I am <select name="user">{% for id, name in users %}'
    + '<option value="{{ id }}">{{ name }}</option>{% endfor %}</select></label>'
    + '<label>Patient <select name="patient">{% for id, name in patients %}<option value="{{ id }}">{{ name }}</option>'
    + '{% endfor %}</select></label><label>App <select name="app">{% for id in apps %}<option>{{ id }}</option>'
    + "{% endfor %}</select></label><button>Open the chart</button></form>"
    + "<p>The chart shows the app in a frame, as an EHR does. It is told who you are and which patient you opened.</p>"
)
CHART: Final = (
    _HEAD
    + '<iframe src="{{ address }}" title="App"></iframe>'
    + '<p><a href="/launcher">Another patient</a> <a href="/launcher" target="_blank">A second chart beside it</a></p>'
)
