"""The application that gunicorn serves: ``gunicorn wsgi:app``."""

from fhirplan import assembly, settings, telemetry
from fhirplan.web.app import create_app

_settings = settings.load()
telemetry.configure(_settings.log_level, _settings.log_format)
_services = assembly.build(_settings)
app = create_app(_services)
assembly.ready_to_fork(_services)
