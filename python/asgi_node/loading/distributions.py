"""Which distribution on PyPI provides a module. Anybody may own a name there, so nothing is guessed."""

from __future__ import annotations

# Modules whose distribution has a different name.
_OTHER_NAMES = {
    "OpenSSL": "pyOpenSSL",
    "Crypto": "pycryptodome",
    "Levenshtein": "levenshtein",
    "MySQLdb": "mysqlclient",
    "PIL": "pillow",
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "corsheaders": "django-cors-headers",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "debug_toolbar": "django-debug-toolbar",
    "decouple": "python-decouple",
    "django_filters": "django-filter",
    "docx": "python-docx",
    "dotenv": "python-dotenv",
    "environ": "django-environ",
    "fitz": "PyMuPDF",
    "git": "GitPython",
    "github": "PyGithub",
    "grpc": "grpcio",
    "ipware": "django-ipware",
    "jose": "python-jose",
    "jwt": "PyJWT",
    "magic": "python-magic",
    "markdown": "Markdown",
    "multipart": "python-multipart",
    "nacl": "PyNaCl",
    "ninja": "django-ninja",
    "pptx": "python-pptx",
    "prometheus_fastapi_instrumentator": "prometheus-fastapi-instrumentator",
    "psycopg2": "psycopg2-binary",
    "pydantic_settings": "pydantic-settings",
    "python_multipart": "python-multipart",
    "rest_framework": "djangorestframework",
    "sentry_sdk": "sentry-sdk",
    "serial": "pyserial",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "slugify": "python-slugify",
    "socketio": "python-socketio",
    "engineio": "python-engineio",
    "sse_starlette": "sse-starlette",
    "storages": "django-storages",
    "strawberry": "strawberry-graphql",
    "tortoise": "tortoise-orm",
    "telegram": "python-telegram-bot",
    "win32api": "pywin32",
    "yaml": "PyYAML",
    "zmq": "pyzmq",
}

# Modules whose distribution has the same name.
_SAME_NAMES = """
a2wsgi aiofiles aiohttp aiokafka aiomysql aiosqlite alembic anthropic anyio apscheduler arq asgiref asyncpg authlib
beanie blacksheep blinker boto3 botocore cachetools celery certifi channels chardet click cryptography django
django_redis dramatiq elasticsearch email_validator falcon fastapi fastmcp flask gunicorn h11 h2 httptools httpx
hypercorn hypothesis itsdangerous jinja2 kombu langchain litestar loguru lxml mako markupsafe marshmallow mcp
mongoengine motor msgpack msgspec mypy networkx numpy openai openpyxl orjson pandas passlib peewee pika piccolo polars
pony prometheus_client psutil psycopg pyarrow pydantic pygments pymongo pymysql pyramid pytest pytz quart redis requests
rich sanic scipy sniffio sqlalchemy sqlmodel sqlparse starlette structlog tenacity tiktoken tornado tqdm transformers
typer typing_extensions tzdata ujson urllib3 uvicorn uvloop watchfiles websockets werkzeug whitenoise wsproto
"""

DISTRIBUTIONS = {**{name: name.replace("_", "-") for name in _SAME_NAMES.split()}, **_OTHER_NAMES}
"""By the name of a module."""

_WITHOUT_312 = "asynchat asyncore distutils imp smtpd"
_WITHOUT_313 = (
    "aifc audioop cgi cgitb chunk crypt imghdr lib2to3 mailcap msilib nis nntplib ossaudiodev pipes sndhdr spwd sunau "
    "telnetlib uu xdrlib"
)

REMOVED = {**dict.fromkeys(_WITHOUT_312.split(), "3.12"), **dict.fromkeys(_WITHOUT_313.split(), "3.13")}
"""Modules that were removed from the standard library, and the first Python without them."""
