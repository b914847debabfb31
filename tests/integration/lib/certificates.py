"""Certificates of a test: an authority, and what it has signed.  By the command openssl."""
import os
import subprocess


def run(*arguments):
    subprocess.run(["openssl", *arguments], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, timeout=60)


class Authority:
    def __init__(self, folder, name="authority"):
        self.folder, self.name = folder, name
        self.key, self.certificate = self.path(name, "key"), self.path(name, "pem")
        run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-subj", f"/CN=The {name}", "-addext", "basicConstraints=critical,CA:TRUE", "-keyout", self.key,
            "-out", self.certificate)

    def path(self, name, ending):
        return os.path.join(self.folder, f"{name}.{ending}")

    def sign(self, name, *alternatives):
        """(certificate, key) of `name`; alternatives such as DNS:localhost."""
        key, request, certificate = (self.path(name, ending) for ending in ("key", "request", "pem"))
        run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}",
            *(["-addext", "subjectAltName=" + ",".join(alternatives)] if alternatives else []), "-keyout", key,
            "-out", request)
        run("x509", "-req", "-in", request, "-copy_extensions", "copyall", "-days", "2", "-CA", self.certificate,
            "-CAkey", self.key, "-CAcreateserial", "-out", certificate)
        return certificate, key
