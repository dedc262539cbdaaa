#!/usr/bin/python
"""A budget of the AWS account's cost per month, with alarms by e-mail.

Options: `name`; `state`, present or absent; for present also `amount`, `currency`, `email`, and the
`tags` of a new budget. It covers the whole account. Alarms with other thresholds than ours, which
others have added to it, are kept.

The service has one endpoint per partition (for most regions in us-east-1), whatever `region` is.
"""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

ALARMS = (("ACTUAL", 80.0), ("ACTUAL", 100.0), ("FORECASTED", 100.0))
"""Of the cost so far, or of that forecast for the month's end; in per cent of the amount."""
PERMISSIONS = "budgets:ViewBudget, budgets:ModifyBudget and budgets:TagResource"


def main() -> None:
    """Called by Ansible."""
    module = AnsibleAWSModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "amount": {"type": "int"},
            "currency": {"type": "str", "default": "USD"},
            "email": {"type": "str"},
            "tags": {"type": "dict", "default": {}},
        },
        required_if=[("state", "present", ("amount", "email"))],
        supports_check_mode=True,
    )
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        account = module.client("sts").get_caller_identity()["Account"]
        budget = Budget(module.client("budgets"), account, module.params, module.check_mode)
        budget.ensure()
    except (BotoCoreError, ClientError) as error:
        if "AccessDenied" in str(error):
            module.fail_json(
                msg=f"you lack permissions for the budget {module.params['name']} "
                f"({PERMISSIONS}): docs/aws.md, step 1, says which policy to attach. {error}"
            )
        module.fail_json_aws(error, msg="AWS did not set the budget")
    module.exit_json(changed=bool(budget.changes), changes=budget.changes)


class Budget:
    """The budget in AWS; `changes` are the names of the calls that change it."""

    def __init__(self, client: Any, account: str, params: dict[str, Any], dry: bool) -> None:
        self.client, self.params, self.dry = client, params, dry
        self.changes: list[str] = []
        self.account = {"AccountId": account}
        self.key = {**self.account, "BudgetName": params["name"]}

    def ensure(self) -> None:
        try:
            there = self.client.describe_budget(**self.key)["Budget"]
        except self.client.exceptions.NotFoundException:
            there = None
        if self.params["state"] == "absent":
            if there:
                self._change("delete_budget", **self.key)
        elif there:
            self._update(there)
        else:
            self._create()

    def _wanted(self) -> dict[str, Any]:
        return {
            "BudgetName": self.params["name"],
            "BudgetType": "COST",
            "TimeUnit": "MONTHLY",
            "BudgetLimit": {
                "Amount": str(self.params["amount"]),
                "Unit": self.params["currency"],
            },
        }

    def _create(self) -> None:
        alarms = [{"Notification": _alarm(*a), "Subscribers": self._subscribers()} for a in ALARMS]
        tags = [{"Key": key, "Value": value} for key, value in self.params["tags"].items()]
        self._change(
            "create_budget",
            **self.account,
            Budget=self._wanted(),
            NotificationsWithSubscribers=alarms,
            ResourceTags=tags,
        )

    def _update(self, there: dict[str, Any]) -> None:
        limit = there.get("BudgetLimit", {"Amount": "0", "Unit": ""})
        wanted = self._wanted()
        if (float(limit["Amount"]), limit["Unit"]) != (
            float(wanted["BudgetLimit"]["Amount"]),
            wanted["BudgetLimit"]["Unit"],
        ):
            # Without its period, a changed budget would begin anew.
            wanted["TimePeriod"] = there["TimePeriod"]
            self._change("update_budget", **self.account, NewBudget=wanted)
        missing = set(ALARMS)
        for alarm in self._all("describe_notifications_for_budget", "Notifications"):
            which = (alarm["NotificationType"], float(alarm["Threshold"]))
            ours = _alarm(*which)
            if which not in ALARMS or {**ours, **alarm} != {**alarm, **ours}:
                continue
            subscribers = self._all(
                "describe_subscribers_for_notification", "Subscribers", Notification=ours
            )
            if subscribers == self._subscribers():
                missing.discard(which)
            else:
                self._change("delete_notification", **self.key, Notification=ours)
        for which in sorted(missing):
            self._change(
                "create_notification",
                **self.key,
                Notification=_alarm(*which),
                Subscribers=self._subscribers(),
            )

    def _subscribers(self) -> list[dict[str, str]]:
        return [{"SubscriptionType": "EMAIL", "Address": self.params["email"]}]

    def _all(self, call: str, key: str, **options: Any) -> list[Any]:
        try:
            pages = list(self.client.get_paginator(call).paginate(**self.key, **options))
        except self.client.exceptions.NotFoundException:  # a budget without alarms
            return []
        return [item for page in pages for item in page.get(key, [])]

    def _change(self, call: str, **options: Any) -> None:
        self.changes.append(call)
        if not self.dry:
            getattr(self.client, call)(**options)


def _alarm(kind: str, percent: float) -> dict[str, Any]:
    return {
        "NotificationType": kind,
        "ComparisonOperator": "GREATER_THAN",
        "Threshold": percent,
        "ThresholdType": "PERCENTAGE",
    }


if __name__ == "__main__":
    main()
