"""The application that gunicorn serves: ``gunicorn wsgi:app``."""

import sys

from fhirplan import assembly, settings, telemetry
from fhirplan.errors import Misconfigured
from fhirplan.web.app import create_app

try:
    _settings = settings.load()
    telemetry.configure(_settings.log_level, _settings.log_format)
    _services = assembly.build(_settings)
    app = create_app(_services)
    assembly.settle(_services)
except Misconfigured as error:
    # gunicorn would show where in the program it was found, and not what is wrong with the settings.
    sys.exit(error.text)
