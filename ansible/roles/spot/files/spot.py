#!/usr/bin/env python3
"""Run a command when AWS announces, two minutes ahead, that it takes this Spot host away.

    spot.py METADATA-URL COMMAND…

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html
Where no metadata service answers, it asks once a minute and says nothing.
"""

import json
import subprocess
import sys
import time
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

PAUSE_S = 5  # as AWS recommends
PAUSE_ELSEWHERE_S = 60
_open = build_opener(ProxyHandler({})).open


def main(url: str, *command: str) -> None:
    token = None
    while True:
        pause_s = PAUSE_S
        try:
            token = token or _ask(
                f"{url}/latest/api/token", "PUT", "X-aws-ec2-metadata-token-ttl-seconds", "21600"
            )
            notice = _ask(
                f"{url}/latest/meta-data/spot/instance-action",
                *("GET", "X-aws-ec2-metadata-token", token),
            )
            if "action" in json.loads(notice):
                print(f"AWS takes this host away: {notice}", flush=True)
                subprocess.run(command, check=True)
                return
        except HTTPError as error:
            if error.code == 401:  # the token has expired
                token = None
            elif error.code != 404:  # 404: no interruption is announced
                pause_s = PAUSE_ELSEWHERE_S
        except (OSError, ValueError):
            pause_s = PAUSE_ELSEWHERE_S
        time.sleep(pause_s)


def _ask(url: str, method: str, header: str, value: str) -> str:
    request = Request(url, method=method, headers={header: value})
    with _open(request, timeout=2) as answer:
        text: str = answer.read().decode()
    return text


if __name__ == "__main__":
    main(*sys.argv[1:])
