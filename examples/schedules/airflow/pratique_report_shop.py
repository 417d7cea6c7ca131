"""Canary report of shop, every hour.

The task fails for a verdict that fail_on names, and when the report could not be made.
It reads these Variables of Airflow: STORE_READ_TOKEN.
"""

from datetime import datetime, timedelta

from airflow import DAG

try:
    from airflow.providers.standard.operators.bash import BashOperator
except ImportError:  # Airflow 2
    from airflow.operators.bash import BashOperator

with DAG(
    'pratique-report-shop',
    schedule='6 * * * *',  # UTC
    start_date=datetime(2026, 1, 1),
    catchup=False,  # a report is about the present: one that was missed is not made later
    max_active_runs=1,
    tags=["pratique"],
) as dag:
    BashOperator(
        task_id="report",
        # Airflow takes a command that ends with .sh for the name of a template, and renders any other as one
        bash_command='cd /srv/shop && /srv/shop/.venv/bin/pratique run canary_report -p service shop -p config /srv/shop/pratique.toml -p out /srv/shop/reports -p fail_on rollback ',
        env={
            'STORE_READ_TOKEN': '{{ var.value.STORE_READ_TOKEN }}',
        },
        append_env=True,
        execution_timeout=timedelta(hours=1),
    )
