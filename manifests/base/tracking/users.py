"""A login for runs that is not the administrator's. Run again, it sets the password to what it is told now.

Environment: MLFLOW_TRACKING_URI; MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD of the administrator;
RUNS_USERNAME and RUNS_PASSWORD.
"""

import os
import sys

from mlflow.exceptions import MlflowException
from mlflow.server.auth.client import AuthServiceClient


def main() -> None:
    name, password = os.environ["RUNS_USERNAME"], os.environ["RUNS_PASSWORD"]
    if name == os.environ["MLFLOW_TRACKING_USERNAME"]:
        sys.exit(f"runs would log in as the administrator {name!r}: give groundtune-credentials a name of its own")
    client = AuthServiceClient(os.environ["MLFLOW_TRACKING_URI"])
    try:
        client.get_user(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        client.create_user(name, password)
        print(f"made the login {name}")
    else:
        client.update_user_password(name, password)
        print(f"the login {name} has its password")


if __name__ == "__main__":
    main()
