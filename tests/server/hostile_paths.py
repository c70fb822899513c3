"""What callers may try where a name or a path is expected: shared by the tests of every field."""

from __future__ import annotations

TRAVERSALS = [
    # upwards, in one spelling after the other
    "..", "../", "../..", "../secret.csv", "../../etc/passwd", "../../../../../../../../etc/passwd", "./../secret.csv",
    "a/../../secret.csv", "a/../../../etc/passwd", "..//secret.csv", "....//....//etc/passwd", "..;/secret.csv",
    ".../secret.csv", "..../secret.csv", "..%2fsecret.csv", "%2e%2e/secret.csv", "%2e%2e%2fsecret.csv",
    "%2E%2E%2Fetc%2Fpasswd", ".%2e/secret.csv", "..%252fsecret.csv", "%252e%252e%252fsecret.csv",
    "%25252e%25252e%25252fsecret.csv", "..%c0%afsecret.csv", "%c0%ae%c0%ae/secret.csv", "..%ef%bc%8fsecret.csv",
    "..%5csecret.csv", "..\\secret.csv", "..\\..\\windows\\win.ini", "\\..\\..\\etc\\passwd", "a\\..\\..\\secret.csv",
    # absolute
    "/", "//", "/etc/passwd", "//etc/passwd", "///etc/passwd", "/./etc/passwd", "/etc//passwd", "/etc/passwd/",
    "/etc/passwd ", "/etc/passwd.", " /etc/passwd", "/etc/./passwd", "/proc/self/environ", "/proc/self/root/etc/passwd",
    "/dev/fd/0", "/dev/stdin", "/dev/zero", "/ETC/PASSWD",
    # of other systems
    "C:\\Windows\\win.ini", "C:/Windows/win.ini", "c:secret.csv", "\\\\host\\share\\x", "//host/share/x", "\\\\?\\C:\\x",
    "\\\\.\\pipe\\x",
    # what shells and libraries expand
    "~", "~/secret.csv", "~root", "~root/.ssh/id_rsa", "$HOME/secret.csv", "${HOME}/secret.csv", "%HOME%/secret.csv",
    "$(cat /etc/passwd)", "`id`", "*", "/etc/*", "/etc/pass[w]d", "{/etc/passwd,/etc/group}", "/**/passwd",
    # the end of the text is not the end
    "\0", "/etc/passwd\0.csv", "a\0/../secret.csv", "%00", "/etc/passwd%00.csv", "/etc/passwd\n", "/etc/passwd\r\n.csv",
    "\t/etc/passwd", "/etc/passwd#.csv", "/etc/passwd?.csv", "/etc/passwd;.csv",
    # signs that look like dots and slashes, or turn texts round
    "\uff0e\uff0e/secret.csv", "\u2024\u2024/secret.csv", "\u2025/secret.csv", "..\u2215secret.csv", "..\u2044secret.csv",
    "..\uff0fsecret.csv", "\u202e../secret.csv", "\ufeff/etc/passwd", "\udc2e\udc2e/secret.csv",
    # length
    "../" * 2000 + "etc/passwd", "/" + "a" * 300, "/" + "a/" * 4000, "a" * 10_000,
]  # fmt: skip
"""Texts that are to be refused in every name and path field: there is nothing that they may mean."""

FOREIGN_INPUTS = [
    # a local file in the clothes of an address
    "file:///etc/passwd", "FILE:///etc/passwd", "File:///etc/passwd", "file:/etc/passwd", "FILE:/etc/passwd",
    "file:etc/passwd", "file://etc/passwd", "file://localhost/etc/passwd", "file://LOCALHOST/etc/passwd",
    "file://127.0.0.1/etc/passwd", "file://host/etc/passwd", "file://host/share", "file:////etc/passwd",
    "file:///etc/%70asswd", "file:///%65tc/passwd", "file:///a/%2e%2e/etc/passwd", "file:///a/%252e%252e/etc/passwd",
    "file:///a/..%2f..%2fetc/passwd", "file:///etc/passwd%00.csv", "file:///etc/passwd?x", "file:///etc/passwd#x",
    "file:///c:/windows/win.ini", "file:\\\\etc\\passwd", "file://[/etc/passwd", "local:///etc/passwd",
    "jar:file:///etc/passwd!/x", "netdoc:///etc/passwd", "url:file:///etc/passwd", "sqlite:////etc/passwd",
    # machines that only the server sees
    "http://127.0.0.1/", "http://127.0.0.1:8888/api/contents", "https://127.0.0.1/", "http://localhost/", "http://LOCALHOST/",
    "http://0.0.0.0/", "http://[::1]/", "http://[::]/", "http://[::ffff:127.0.0.1]/", "http://[0:0:0:0:0:0:0:1]/",
    "http://169.254.169.254/latest/meta-data/", "http://169.254.169.254.nip.io/", "http://[fd00:ec2::254]/latest/",
    "http://metadata.google.internal/", "http://2130706433/", "http://017700000001/", "http://0x7f000001/",
    "http://0x7f.0x0.0x0.0x1/", "http://127.1/", "http://127.0.0.1.nip.io/", "http://10.0.0.1/", "http://192.168.0.1/",
    "http://172.16.0.1/", "ftp://127.0.0.1/x", "gopher://127.0.0.1:6379/_INFO", "dict://127.0.0.1:11211/stat",
    "ldap://127.0.0.1/", "s3://bucket/x", "gs://bucket/x", "abfss://c@a.dfs.core.windows.net/x", "hdfs://host/x",
    # addresses that only look like the declared one, https://good.example/in/
    "https://good.example@evil.example/in/x", "https://good.example:x@evil.example/in/", "https://evil.example/good.example/in/",
    "https://user@good.example/in/x", "https://user:password@good.example/in/x", "https://good.example.evil.example/in/",
    "https://evilgood.example/in/", "https://good.example:444/in/", "https://good.example:0443x/in/", "http://good.example/in/",
    "https://good.example/other/", "https://good.example/inX/", "https://good.example/in/../other/",
    "https://good.example/in/%2e%2e/other/", "https://good.example/in/%2E%2E%2Fother/", "https://good.example/in/..%2fother",
    "https://good.example/in/x%2f..%2f..%2fetc", "https://good.example/in/..\\other", "https://good.example\\@evil.example/in/",
    "https://good.example/in/%00", "https://good.example/in/x%0a", "https:/good.example/in/x", "https:good.example/in/x",
    "//good.example/in/x", "good.example/in/x", "https://good.example./in/x", "https://goo\u0064\u0301.example/in/",
    "https://\uff47ood.example/in/x", "https://good\u3002example/in/x", "https://good.example\t/in/x", " https://good.example/in/x",
    "https://good.example/in\n/x", "https://[good.example/in/x", "https://good.example:99999/in/x", "https:///in/x",
    # names of Azure's that mean nothing here, or somebody else's
    "azureml://datastores/other/paths/x", "azureml://datastores/workspaceblobstore/paths/../../../etc/passwd",
    "azureml://datastores/workspaceblobstore/paths/../../secrets/", "azureml://datastores/../paths/x",
    "azureml://jobs/nobody/outputs/score", "azureml://jobs/../outputs/score", "azureml://registries/r/data/d/versions/1",
    "azureml:nobody:1", "azureml:../../etc/passwd:1", "azureml:..:1", "azureml:/etc/passwd", "models:/heart/1",
    "runs:/abc/../../x", "models:/../../etc/passwd",
    # the working directory of the server
    "data", "./data", "data/", ".", "./", "",
]  # fmt: skip
"""Inputs that no caller has been given; `https://good.example/in/` is a declared prefix."""
