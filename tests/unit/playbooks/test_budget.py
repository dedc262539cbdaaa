"""The budget follows the settings; without them, nothing is asked of AWS Budgets."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from budgets import Denied, budgets_server
from deploy.playbooks import aws_environ
from plays import play

REGION = "eu-west-3"
ACCOUNT = "123456789012"
NAME = f"fruits-{REGION}"
ALARMS = [("ACTUAL", 80.0), ("ACTUAL", 100.0), ("FORECASTED", 100.0)]


@pytest.fixture
def budgets(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Denied]]:
    """A client of AWS Budgets, which has none, and what AWS is to refuse."""
    for name, value in aws_environ(s3_endpoint).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_REGION", REGION)
    with budgets_server() as (url, denied):
        monkeypatch.setenv("AWS_ENDPOINT_URL_BUDGETS", url)
        client = boto3.client("budgets", region_name=REGION)
        yield client, denied
        for budget in client.describe_budgets(AccountId=ACCOUNT)["Budgets"]:
            client.delete_budget(AccountId=ACCOUNT, BudgetName=budget["BudgetName"])
        boto3.client("ssm", region_name=REGION).delete_parameters(Names=["/fruits/budget"])


def _run(
    folder: Path, amount: int, email: str, *, times: int = 1, check_mode: bool = False
) -> tuple[int, str]:
    """Run the role so many times in one play; returns how many tasks changed something, and the
    output."""
    settings = {
        **{"cluster_name": "fruits", "region": REGION, "aws_partition": "aws"},
        **{"monthly_budget": amount, "alert_email": email},
        "aws_tags": {"fruits:cluster": "fruits"},
    }
    role: dict[str, Any] = {"name": "aws_budget", "apply": {"check_mode": check_mode}}
    done = play(folder, {"localhost": settings}, *[{"ansible.builtin.include_role": role}] * times)
    (changed,) = re.findall(r"changed=(\d+) ", done.stdout)
    return int(changed), done.stdout


def _alarms(client: Any) -> dict[tuple[str, float], list[str]]:
    """Addresses of each alarm."""
    key = {"AccountId": ACCOUNT, "BudgetName": NAME}
    found = {}
    for alarm in client.describe_notifications_for_budget(**key)["Notifications"]:
        answer = client.describe_subscribers_for_notification(**key, Notification=alarm)
        which = (alarm["NotificationType"], alarm["Threshold"])
        found[which] = [subscriber["Address"] for subscriber in answer["Subscribers"]]
    return found


def test_the_budget_follows_the_settings(budgets: tuple[Any, Denied], tmp_path: Path) -> None:
    client, _ = budgets
    key = {"AccountId": ACCOUNT, "BudgetName": NAME}

    assert _run(tmp_path, 50, "a@example.org", times=2)[0] == 2  # all by the first time
    made = client.describe_budget(**key)["Budget"]
    assert made["BudgetLimit"] == {"Amount": "50", "Unit": "USD"}
    assert (made["BudgetType"], made["TimeUnit"]) == ("COST", "MONTHLY")
    assert "CostFilters" not in made
    assert _alarms(client) == {alarm: ["a@example.org"] for alarm in ALARMS}

    other = {"NotificationType": "ACTUAL", "ComparisonOperator": "GREATER_THAN", "Threshold": 50.0}
    others = [{"SubscriptionType": "EMAIL", "Address": "b@example.org"}]
    client.create_notification(**key, Notification=other, Subscribers=others)
    assert _run(tmp_path, 70, "c@example.org", times=2)[0] == 1
    changed = client.describe_budget(**key)["Budget"]
    assert changed["BudgetLimit"]["Amount"] == "70"
    assert changed["TimePeriod"] == made["TimePeriod"]
    kept = {("ACTUAL", 50.0): ["b@example.org"]}
    assert _alarms(client) == {alarm: ["c@example.org"] for alarm in ALARMS} | kept

    assert _run(tmp_path, 0, "", times=2)[0] == 2
    assert client.describe_budgets(AccountId=ACCOUNT)["Budgets"] == []


def test_without_the_setting_nothing_leaves_the_region(
    budgets: tuple[Any, Denied], tmp_path: Path
) -> None:
    _, denied = budgets
    changed, output = _run(tmp_path, 0, "")
    assert (changed, denied.seen) == (0, [])
    assert "failed=0" in output


def test_check_mode_changes_nothing(budgets: tuple[Any, Denied], tmp_path: Path) -> None:
    client, denied = budgets
    assert _run(tmp_path, 50, "a@example.org", check_mode=True)[0] == 2
    assert set(denied.seen) == {"DescribeBudget"}
    assert client.describe_budgets(AccountId=ACCOUNT)["Budgets"] == []


def test_a_missing_permission_is_said_in_one_line(
    budgets: tuple[Any, Denied], tmp_path: Path
) -> None:
    _, denied = budgets
    denied.calls = {"CreateBudget"}
    _, output = _run(tmp_path, 50, "a@example.org")
    assert "failed=1" in output
    said = f"you lack permissions for the budget {NAME} (budgets:ViewBudget, budgets:ModifyBudget"
    assert said in " ".join(output.split())
    assert "Traceback" not in output

    # Nothing was made, so removing the setting needs no permission.
    denied.calls, denied.seen = {"DescribeBudget", "DeleteBudget"}, []
    changed, output = _run(tmp_path, 0, "")
    assert (changed, denied.seen) == (0, [])
    assert "failed=0" in output
    denied.calls = set()
