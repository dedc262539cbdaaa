"""Configure JupyterHub: `hub-user` manages accounts; each server runs as its user."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import forget_user
import idle
from authenticator import LimitedPAMAuthenticator

c = get_config()  # type: ignore[name-defined]  # noqa: F821

c.JupyterHub.bind_url = f"http://{os.environ.get('HUB_ADDRESS', '')}:8000"
c.JupyterHub.db_url = "sqlite:////srv/jupyterhub/state/jupyterhub.sqlite"
c.JupyterHub.cookie_secret_file = "/srv/jupyterhub/state/cookie_secret"  # noqa: S105 - a path
c.ConfigurableHTTPProxy.pid_file = "/run/fruits/proxy.pid"
# The proxy handles all traffic from outside, so it runs as an unprivileged user.
c.ConfigurableHTTPProxy.command = [
    *("setpriv", "--reuid=hub-proxy", "--regid=hub-proxy", "--clear-groups"),
    "configurable-http-proxy",
]

# The name under which browsers reach the Hub by HTTPS; without it, they use the tunnel.
domain = os.environ.get("HUB_DOMAIN", "")
if domain:
    c.JupyterHub.public_url = f"https://{domain}/"

# There is no sign-up, and no access to other users' servers.
if oauth := os.environ.get("HUB_OAUTH", ""):
    import oauth_login

    oauth_login.configure(c, oauth, domain)
else:
    # Everyone with a password may log in.
    c.JupyterHub.authenticator_class = LimitedPAMAuthenticator
    c.PAMAuthenticator.service = "jupyterhub"
    c.Authenticator.allow_all = True
    # A login, and what the services know of it, is valid for this long.
    c.JupyterHub.cookie_max_age_days = 14

c.JupyterHub.spawner_class = "localprocess"
c.Spawner.cmd = ["start-notebook"]
c.Spawner.default_url = "/lab"
c.Spawner.notebook_dir = "~"
c.Spawner.start_timeout = 120
c.Spawner.http_timeout = 120
# The container's settings for the cluster are passed on unchanged to each user's server.
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

# The page that recognises the fruit in a photo, for all logged-in users. As it handles untrusted
# files, it runs as an unprivileged user, which can read the keys of S3 and no other secret.
c.JupyterHub.services = [
    {
        "name": "recognise",
        "url": "http://127.0.0.1:10101",
        "command": [
            *("setpriv", "--reuid=predictor", "--regid=predictor", "--clear-groups"),
            *("python", "-m", "fruits.web.app"),
        ],
        "environment": {
            **{name: os.environ[name] for name in kept if name in os.environ},
            "AWS_SHARED_CREDENTIALS_FILE": "/run/fruits/s3-predictor",
        },
        "oauth_no_confirm": True,
    },
    # With this token, which only root can read, `hub-user erase` deletes users.
    {**forget_user.SERVICE, "api_token": forget_user.new_token()},
    # Deletes what killed kernels have left; the Hub restarts it, as the page, should it end.
    {"name": "sweep", "command": ["sweep", "/tmp", "/var/lib/spark"]},  # noqa: S108
]
# The Hub's home page links to the page `recognise`.
c.JupyterHub.template_paths = ["/etc/jupyterhub/templates"]
c.JupyterHub.template_vars = {"idle_stop": idle.told}
# All of `self` but tokens where logins end: with one, a user could make the next one for ever.
own = ["read:users!user", "users:activity!user", "servers!user", "access:servers!user"]
c.JupyterHub.load_roles = [
    {
        "name": "user",
        "scopes": [*(own if oauth else ["self"]), "access:services!service=recognise"],
    },
    forget_user.ROLE,
]
