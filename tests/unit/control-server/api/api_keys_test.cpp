#include "control-server/api/api_keys.h"

#include <catch2/catch.hpp>

namespace duly {
namespace {

std::string key_line(const std::string& name, const std::string& role, const std::string& key) {
  return name + " " + role + " " + to_hex(sha256(key)) + "\n";
}

std::string keys_complaint(const std::string& text) {
  const auto keys = ApiKeys::parse(text);
  return keys ? "" : keys.error().what;
}

}  // namespace

TEST_CASE("SHA-256 is SHA-256") {
  CHECK(to_hex(sha256("")) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(to_hex(sha256("abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(digest_from_hex(to_hex(sha256("abc"))) == sha256("abc"));
  CHECK(digest_from_hex("BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD") == sha256("abc"));
  CHECK(same_digest(sha256("abc"), sha256("abc")));
  CHECK(!same_digest(sha256("abc"), sha256("abd")));
  for (const char* const bad :
       {"", "00", "g", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a"})
    CHECK(!digest_from_hex(bad));
  CHECK(!digest_from_hex(std::string(63, '0') + "g"));
}

TEST_CASE("a key is found by itself, with its name and role") {
  const auto keys = ApiKeys::parse("# of the team\n\n" + key_line("ci", "submit", "k-1") +
                                   "  ops\toperator  " + to_hex(sha256("k-2")) + " \r\n" +
                                   key_line("boss", "admin", "k-3") + "eye read " + to_hex(sha256("k-4")));
  REQUIRE(keys);
  CHECK(keys->size() == 4);
  REQUIRE(keys->find("k-2") != nullptr);
  CHECK(keys->find("k-2")->name == "ops");
  CHECK(keys->find("k-2")->role == Role::operate);
  CHECK(keys->find("k-1")->role == Role::submit);
  CHECK(keys->find("k-3")->role == Role::admin);
  CHECK(keys->find("k-4")->role == Role::read);
  for (const char* const other : {"", "k-", "k-12", "K-1", " k-1"}) CHECK(keys->find(other) == nullptr);
  CHECK(keys->find(to_hex(sha256("k-1"))) == nullptr);  // the hash is not the key
}

TEST_CASE("a file with one wrong line is refused whole, and the line is named") {
  const std::string good = key_line("a", "read", "k-1");
  const std::string hash = to_hex(sha256("k-2"));
  CHECK(keys_complaint(good + "b read\n").find("line 2: is not of the form") == 0);
  CHECK(keys_complaint(good + "\n#\nb boss " + hash).find("line 4: 'boss' is not a role") == 0);
  CHECK(keys_complaint(good + "b read " + hash + " more").find("line 2: ") == 0);
  CHECK(keys_complaint(good + "b/c read " + hash).find("line 2: the name of a key") == 0);
  CHECK(keys_complaint(good + std::string(65, 'b') + " read " + hash).find("line 2: the name of a key") == 0);
  CHECK(keys_complaint("server admin " + hash).find("line 1: 'server' cannot be") == 0);
  CHECK(keys_complaint("anonymous admin " + hash).find("line 1: 'anonymous' cannot be") == 0);
  CHECK(keys_complaint(good + key_line("a", "admin", "k-2")).find("line 2: there is a key named 'a'") == 0);
  CHECK(keys_complaint(good + key_line("b", "admin", "k-1")).find("line 2: this key is there already") == 0);
  const std::string secret = keys_complaint("b read duly_0123456789\n");
  CHECK(secret.find("line 1: the third word is not a SHA-256") == 0);
  CHECK(secret.find("0123456789") == std::string::npos);
  CHECK(keys_complaint("") == "there is no key in it");
  CHECK(keys_complaint("# nothing\n\n") == "there is no key in it");
  std::string many;
  for (int i = 0; i <= 1000; ++i) many += key_line("k" + std::to_string(i), "read", std::to_string(i));
  CHECK(keys_complaint(many) == "line 1001: there are at most 1000 keys");
}

TEST_CASE("a key may have a rate of its own") {
  const auto keys = ApiKeys::parse(key_line("a", "read", "k-1") + "b read " + to_hex(sha256("k-2")) +
                                   "\trate=200/s:50\nc read " + to_hex(sha256("k-3")) + " rate=none\n");
  REQUIRE(keys);
  CHECK_FALSE(keys->find("k-1")->rate);
  CHECK(keys->find("k-2")->rate == RequestRate{200, seconds{1}, 50});
  REQUIRE(keys->find("k-3")->rate);
  CHECK_FALSE(keys->find("k-3")->rate->limited());
  const std::string line = "b read " + to_hex(sha256("k-2")) + " ";
  CHECK(keys_complaint("\n" + line + "rate=0/s").find("line 2: a rate must be COUNT/PER") == 0);
  CHECK(keys_complaint(line + "rate=").find("line 1: a rate must be COUNT/PER") == 0);
  CHECK(keys_complaint(line + "duly_01").find("line 1: the fourth word is not of the form: rate=") == 0);
  CHECK(keys_complaint(line + "duly_01").find("duly_01") == std::string::npos);
  CHECK(keys_complaint(line + "rate=1 burst=2").find("line 1: is not of the form") == 0);
}

TEST_CASE("a new key's line lets its key in") {
  Digest secret{};
  secret[0] = 0xAB;
  const std::string key = api_key_text(secret);
  CHECK(key == "duly_ab" + std::string(62, '0'));
  const auto keys = ApiKeys::parse(api_key_line("ci", Role::operate, key));
  REQUIRE(keys);
  REQUIRE(keys->find(key) != nullptr);
  CHECK(keys->find(key)->name == "ci");
  CHECK(keys->find(key)->role == Role::operate);
  const std::string plain = api_key_line("ci", Role::operate, key);
  CHECK(api_key_line("ci", Role::operate, key, RequestRate{5, seconds{60}, 9}) == plain + " rate=5/min:9");
  CHECK(api_key_line("ci", Role::operate, key, RequestRate{}) == plain + " rate=none");
}

}  // namespace duly
