#include "tests/lib/authority.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "common/base/assert.h"

namespace duly::testing {
namespace {

constexpr long kDay = 86'400;

using Key = std::shared_ptr<EVP_PKEY>;
using Certificate = std::shared_ptr<X509>;
using Revocations = std::shared_ptr<X509_CRL>;

Key make_key() { return {EVP_EC_gen("P-256"), EVP_PKEY_free}; }

void add_extension(X509* certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
  DULY_ASSERT(extension != nullptr);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

// Not signed yet.
Certificate make_certificate(EVP_PKEY* key, const std::string& name, int serial, seconds left) {
  Certificate made(X509_new(), X509_free);
  X509_set_version(made.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), serial);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), -2 * kDay);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), static_cast<long>(left.count()));
  X509_NAME_add_entry_by_txt(X509_get_subject_name(made.get()), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_pubkey(made.get(), key);
  return made;
}

// Readable by nobody else.
template <class Write>
void write_file(const std::string& path, const char* mode, Write write) {
  std::FILE* file = std::fopen(path.c_str(), mode);
  DULY_ASSERT(file != nullptr);
  DULY_ASSERT(::fchmod(::fileno(file), S_IRUSR | S_IWUSR) == 0);
  DULY_ASSERT(write(file) == 1);
  std::fclose(file);
}

}  // namespace

struct Authority::Keys {
  Key key = make_key();
  Certificate certificate;
};

Authority::Authority(const std::string& name) : keys_(std::make_unique<Keys>()) {
  char pattern[] = "/tmp/duly-authority-XXXXXX";
  DULY_ASSERT(::mkdtemp(pattern) != nullptr);
  folder_ = pattern;
  file_ = folder_ + "/authority.pem";
  keys_->certificate = make_certificate(keys_->key.get(), name, 1, seconds{kDay});
  X509* own = keys_->certificate.get();
  X509_set_issuer_name(own, X509_get_subject_name(own));
  add_extension(own, own, NID_basic_constraints, "critical,CA:TRUE");
  DULY_ASSERT(X509_sign(own, keys_->key.get(), EVP_sha256()) > 0);
  write_file(file_, "w", [own](std::FILE* file) { return PEM_write_X509(file, own); });
}

Authority::~Authority() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

IssuedFiles Authority::issue(const std::string& names, seconds left) {
  const int serial = ++issued_ + 1;
  const std::string path = folder_ + "/" + std::to_string(serial);
  const Key key = make_key();
  const Certificate made = make_certificate(key.get(), "test " + std::to_string(serial), serial, left);
  X509* own = keys_->certificate.get();
  X509_set_issuer_name(made.get(), X509_get_subject_name(own));
  add_extension(made.get(), own, NID_subject_alt_name, names);
  DULY_ASSERT(X509_sign(made.get(), keys_->key.get(), EVP_sha256()) > 0);
  write_file(path + ".pem", "w", [&](std::FILE* file) { return PEM_write_X509(file, made.get()); });
  write_file(path + ".key", "w", [&](std::FILE* file) {
    return PEM_write_PrivateKey(file, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  });
  return {path + ".pem", path + ".key"};
}

void Authority::revoke(const IssuedFiles& issued) {
  const int serial = std::stoi(std::filesystem::path(issued.certificate).stem().string());
  const Revocations list(X509_CRL_new(), X509_CRL_free);
  X509_CRL_set_version(list.get(), X509_CRL_VERSION_2);
  X509_CRL_set_issuer_name(list.get(), X509_get_subject_name(keys_->certificate.get()));
  ASN1_TIME* now = X509_gmtime_adj(nullptr, -kDay);
  ASN1_TIME* then = X509_gmtime_adj(nullptr, kDay);
  X509_CRL_set1_lastUpdate(list.get(), now);
  X509_CRL_set1_nextUpdate(list.get(), then);
  X509_REVOKED* revoked = X509_REVOKED_new();
  ASN1_INTEGER* number = ASN1_INTEGER_new();
  ASN1_INTEGER_set(number, serial);
  X509_REVOKED_set_serialNumber(revoked, number);
  X509_REVOKED_set_revocationDate(revoked, now);
  X509_CRL_add0_revoked(list.get(), revoked);
  ASN1_INTEGER_free(number);
  ASN1_TIME_free(now);
  ASN1_TIME_free(then);
  DULY_ASSERT(X509_CRL_sign(list.get(), keys_->key.get(), EVP_sha256()) > 0);
  write_file(file_, "a", [&](std::FILE* file) { return PEM_write_X509_CRL(file, list.get()); });
}

}  // namespace duly::testing
