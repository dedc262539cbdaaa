"""provision.yml makes the budget before anything is billed; teardown.yml removes it."""

from budgets import budgets_server

from deploy.aws import Aws
from deploy.playbooks import changes, playbook


def test_the_life_of_a_budget(aws: Aws) -> None:
    aws.settings(monthly_budget=50, alert_email="a@example.org")
    with budgets_server() as (url, denied):

        def run(name: str, check: bool = True) -> str:
            environ = {**aws.environ, "AWS_ENDPOINT_URL_BUDGETS": url}
            return playbook(aws.site, name, "-e", "assume_yes=true", check=check, environ=environ)

        denied.calls = {"CreateBudget"}
        output = run("provision", check=False)
        assert "you lack permissions for the budget fruits-eu-west-3" in output
        assert not aws.client("ec2").describe_key_pairs()["KeyPairs"]
        denied.calls = set()

        run("provision")
        assert "CreateBudget" in denied.seen
        assert changes(run("provision")) == {"localhost": 0}

        run("teardown")
        assert "DeleteBudget" in denied.seen
