"""JupyterHub: accounts that `hub-user` makes, each user's server under an account of its own."""

import os

c = get_config()  # type: ignore[name-defined]  # noqa: F821

c.JupyterHub.bind_url = f"http://{os.environ.get('HUB_ADDRESS', '')}:8000"
c.JupyterHub.db_url = "sqlite:////srv/jupyterhub/state/jupyterhub.sqlite"
c.JupyterHub.cookie_secret_file = "/srv/jupyterhub/state/cookie_secret"  # noqa: S105 - a path
c.ConfigurableHTTPProxy.pid_file = "/run/fruits/proxy.pid"
# All that comes from outside passes through the proxy: it runs as nobody in particular.
c.ConfigurableHTTPProxy.command = [
    *("setpriv", "--reuid=hub-proxy", "--regid=hub-proxy", "--clear-groups"),
    "configurable-http-proxy",
]

# Whoever has a password; there is no sign-up, and nobody may look into another's server.
c.JupyterHub.authenticator_class = "pam"
c.PAMAuthenticator.service = "jupyterhub"
c.Authenticator.allow_all = True

c.JupyterHub.spawner_class = "localprocess"
c.Spawner.cmd = ["start-notebook"]
c.Spawner.default_url = "/lab"
c.Spawner.notebook_dir = "~"
c.Spawner.start_timeout = 120
c.Spawner.http_timeout = 120
# What the container says of the cluster reaches each user's server as it stands.
kept = [
    *("PATH", "LANG", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV"),
    "OPENBLAS_NUM_THREADS",
    *(
        name
        for name in os.environ
        if name.startswith(("AWS_", "BUCKET", "FRUITS_", "SPARK_", "PYSPARK_"))
    ),
]
c.Spawner.env_keep = kept

# The page that tells which fruit a photo shows, for every user who is logged in. It holds no
# secret, and what comes to it are strangers' files: it runs as nobody in particular.
c.JupyterHub.services = [
    {
        "name": "recognise",
        "url": "http://127.0.0.1:10101",
        "command": [
            *("setpriv", "--reuid=predictor", "--regid=predictor", "--clear-groups"),
            *("python", "-m", "fruits.web.app"),
        ],
        "environment": {name: os.environ[name] for name in kept if name in os.environ},
        "oauth_no_confirm": True,
    }
]
c.JupyterHub.load_roles = [
    {"name": "user", "scopes": ["self", "access:services!service=recognise"]}
]
