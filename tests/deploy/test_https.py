"""The Hub by HTTPS, with logins by OAuth, on the emulated hosts, and back to the tunnel."""

import http.client
import json
import re
import socket
import ssl
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from certificates import make_certificate

from deploy.engines import TAG, docker
from deploy.playbooks import changes
from deploy.rehearsal import ADDRESSES, Rehearsal

DOMAIN = "fruits.example.org"
SECRET = "a-client-secret-of-the-rehearsal"  # noqa: S105
_CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], 443), 3); print('open')"


def test_the_hub_is_served_by_https_to_some_and_then_by_the_tunnel_alone(
    whole: Rehearsal, tmp_path: Path
) -> None:
    make_certificate(tmp_path, DOMAIN)
    secret = whole.site / "ansible" / "secrets" / "oauth-secret"
    settings = {
        "hub_domain": DOMAIN,
        "hub_from": [f"{whole.prefix}.1/32"],  # this machine
        "hub_certificate": {name: str(tmp_path / f"{name}.pem") for name in ("certificate", "key")},
        "hub_oauth": {
            "provider": "keycloak",
            "url": "https://login.example.org/realms/lab",
            "client_id": "fruits",
            "allowed_groups": ["it's a team"],
        },
    }
    options = ("-e", json.dumps(settings), "-e", "assume_yes=true")
    assert f"write the client secret of keycloak to {secret}" in " ".join(
        whole.playbook("deploy", *options, check=False).split()
    )
    secret.write_text(SECRET)
    secret.chmod(0o600)
    try:
        output = whole.playbook("deploy", *options)
        assert f"the Hub is https://{DOMAIN}" in output
        assert SECRET not in output
        _check_login(whole, tmp_path)
        _check_doors(whole)
        assert (
            whole.on("master", "stat", "-c", "%U %a", "/opt/fruits/secrets/oauth") == "root 400\n"
        )
        (hub,) = whole.compose("master", "ps", "--quiet", "jupyterhub").split()
        assert SECRET not in whole.on("master", "docker", "inspect", hub)
        assert changes(whole.playbook("deploy", *options)) == dict.fromkeys(
            ("localhost", *ADDRESSES), 0
        )

        password = (whole.site / "ansible" / "secrets" / "scientist").read_text()
        output = whole.playbook("rotate", *options, "-e", "rotate=hub")
        assert "all users must log in again by keycloak" in output
        assert re.search("OAuth: make another client secret at the provider", output)
        assert (whole.site / "ansible" / "secrets" / "scientist").read_text() == password
        _check_login(whole, tmp_path)
    finally:
        whole.playbook("deploy", "-e", "assume_yes=true")
        secret.unlink()
    assert not _is_open_to_others(whole)
    listening = whole.on("master", "ss", "-Hltn")
    assert not re.search(r":443\b", listening)
    left = whole.on("master", "sh", "-c", "ls -d /etc/caddy /var/lib/caddy 2>/dev/null || true")
    assert not left
    assert whole.on("master", "stat", "-c", "%s", "/opt/fruits/secrets/oauth") == "0\n"


def _check_login(cluster: Rehearsal, folder: Path) -> None:
    """A browser is sent to the provider, and from there back to the Hub's name."""
    trust = ssl.create_default_context(cafile=str(folder / "certificate.pem"))
    connection = http.client.HTTPSConnection(DOMAIN, timeout=20, context=trust)
    plain = socket.create_connection((cluster.address("master"), 443), 20)
    connection.sock = trust.wrap_socket(plain, server_hostname=DOMAIN)
    connection.request("GET", "/hub/oauth_login")
    response = connection.getresponse()
    assert response.status == 302
    assert response.headers["Strict-Transport-Security"]
    cookies = response.headers.get_all("Set-Cookie") or []
    assert any(cookie.startswith("oauthenticator-state=") for cookie in cookies)
    assert all("secure" in cookie.lower() for cookie in cookies), cookies
    address = urlsplit(response.headers["Location"])
    assert address.netloc == "login.example.org"
    assert address.path == "/realms/lab/protocol/openid-connect/auth"
    asked = parse_qs(address.query)
    assert asked["redirect_uri"] == [f"https://{DOMAIN}/hub/oauth_callback"]
    assert asked["code_challenge_method"] == ["S256"]


def _check_doors(cluster: Rehearsal) -> None:
    """Others of the network, and port 80, are shut out; the proxy has the firewall's number."""
    assert not _is_open_to_others(cluster)
    listening = cluster.on("master", "ss", "-Hltn")
    assert re.search(r":443\b", listening)
    # The stand-in for the metadata service listens at port 80 of its own address.
    assert not re.search(r"(\*|0\.0\.0\.0|\[::\]):80\b|:2019\b", listening)
    assert cluster.on("master", "id", "-u", "caddy") == "10005\n"


def _is_open_to_others(cluster: Rehearsal) -> bool:
    """Whether another machine in the network of the hosts connects to port 443 of the master."""
    said = docker(
        *("run", "--rm", "--network", cluster.network, "--entrypoint", "python3"),
        *(f"fruits/base:{TAG}", "-c", _CONNECT, cluster.address("master")),
        check=False,
    )
    assert said == "open\n" or "Error" in said, said
    return said == "open\n"
