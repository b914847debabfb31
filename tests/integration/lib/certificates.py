"""Certificates for tests, made by the openssl program when they are needed."""
import os
import ssl
import subprocess

NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


class Authority:
    """Signs certificates; `file` holds its own."""

    def __init__(self, folder, name):
        self.folder = os.path.join(folder, name)
        os.mkdir(self.folder)
        self.file, self.key = self.path("authority.pem"), self.path("authority.key")
        openssl("req", "-x509", *NEW_KEY, "-keyout", self.key, "-out", self.file, "-days", "2", "-subj", "/CN=" + name)

    def path(self, name):
        return os.path.join(self.folder, name)

    def issue(self, name, names, days=2):
        """(certificate, key) for `names` as openssl writes them: "DNS:a-1,IP:127.0.0.1"."""
        certificate, key, request, extensions = (self.path(name + end) for end in (".pem", ".key", ".csr", ".ext"))
        with open(extensions, "w", encoding="ascii") as text:
            text.write(f"subjectAltName={names}\n")
        openssl("req", *NEW_KEY, "-keyout", key, "-out", request, "-subj", "/CN=" + name)
        openssl("x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self.key, "-CAcreateserial", "-days", str(days),
                "-extfile", extensions, "-out", certificate)
        return certificate, key

    def trusted(self, *shown):
        """What a client of Python's takes that trusts this authority and shows (certificate, key)."""
        context = ssl.create_default_context(cafile=self.file)
        if shown:
            context.load_cert_chain(*shown)
        return context


def install(certificate_and_key, *paths):
    """Puts files where others are in use, each in one step, as whoever renews certificates does."""
    for source, path in zip(certificate_and_key, paths):
        with open(source, encoding="ascii") as text, \
                open(os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as new:
            new.write(text.read())
        os.replace(path + ".new", path)
