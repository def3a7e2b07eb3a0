from __future__ import annotations

from tests.stores.servers import processes


def test_the_servers_answer(s3_server: str, dynamodb_server: str, moto_server: str) -> None:
    """Each speaks its protocol on 127.0.0.1."""
    for endpoint in (s3_server, moto_server):
        s3 = processes.client("s3", endpoint)
        s3.put_object(Bucket=processes.BUCKET, Key="a", Body=b"b")
        assert s3.get_object(Bucket=processes.BUCKET, Key="a")["Body"].read() == b"b"
    assert isinstance(processes.client("dynamodb", dynamodb_server).list_tables()["TableNames"], list)
