#include "cli/crontab.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "common/model/limits.h"

namespace duly::cli {
namespace {

Crontab user_form(const std::string& text) { return read_crontab(text, {.file = "crontab"}); }
Crontab system_form(const std::string& text, const std::string& file = "/etc/cron.d/jobs") {
  return read_crontab(text, {.file = file, .system_form = true});
}

std::string script_of(const CrontabEntry& entry) { return entry.schedule["command"]["payload"]["args"][1]; }

// The one line that was left, with its number.
std::string left(const Crontab& crontab) {
  if (crontab.leftovers.size() != 1 || !crontab.entries.empty()) return "not one line was left";
  const CrontabLeftover& one = crontab.leftovers.front();
  return std::to_string(one.line) + ": " + one.reason;
}

std::vector<std::string> names(const Crontab& crontab) {
  std::vector<std::string> found;
  for (const CrontabEntry& entry : crontab.entries) found.push_back(entry.name);
  return found;
}

}  // namespace

TEST_CASE(
    "a line of a user's crontab becomes a schedule that runs it by the shell, once and for up to a day") {
  const Crontab crontab = user_form("# backups\n\n  30 2\t* * MON-FRI   /usr/local/bin/backup --all \n");
  REQUIRE(crontab.entries.size() == 1);
  CHECK(crontab.leftovers.empty());
  CHECK(crontab.entries[0].line == 3);
  CHECK(crontab.entries[0].schedule == Json::parse(R"({
    "name": "crontab-backup", "cron": "30 2 * * MON-FRI", "time_zone": "UTC",
    "command": {"type": "builtin.exec", "timeout_ms": 86400000, "retry": {"max_attempts": 1},
                "payload": {"program": "/bin/sh", "args": ["-c", "/usr/local/bin/backup --all "]}}})"));
}

TEST_CASE("in the system's form the user is no part of the command, and is kept as a label") {
  const Crontab crontab = system_form("17 *\t* * *\twww-data\tcd / && run-parts --report /etc/cron.hourly\n");
  REQUIRE(crontab.entries.size() == 1);
  CHECK(script_of(crontab.entries[0]) == "cd / && run-parts --report /etc/cron.hourly");
  CHECK(crontab.entries[0].schedule["command"]["labels"] == Json{{"user", "www-data"}});
  CHECK(left(system_form("0 0 * * * root\n")) == "1: has no command after the user");
  CHECK(left(user_form("0 0 * * *\n")) == "1: has no command");
}

// In the manner of what packages put into /etc/cron.d.
TEST_CASE("the lines that packages ship keep every character of their commands") {
  const std::vector<std::pair<std::string, std::string>> table = {
      {"30 7-23 * * * root [ -x /etc/init.d/job ] && if [ ! -d /run/systemd/system ]; then /usr/sbin/job "
       "start >/dev/null; fi",
       "[ -x /etc/init.d/job ] && if [ ! -d /run/systemd/system ]; then /usr/sbin/job start >/dev/null; fi"},
      {"30 3 * * 0 root test -e /run/systemd/system || SERVICE_MODE=1 /usr/lib/job/job_cron",
       "test -e /run/systemd/system || SERVICE_MODE=1 /usr/lib/job/job_cron"},
      {"57 0 * * 0 root if [ -x /usr/share/job/check ] && [ $(date +\\%d) -le 7 ]; then /usr/share/job/check "
       "--quiet; fi",
       "if [ -x /usr/share/job/check ] && [ $(date +%d) -le 7 ]; then /usr/share/job/check --quiet; fi"},
      {"0 */12 * * * root test -x /usr/bin/job -a \\! -d /run/systemd/system && perl -e 'sleep int(rand(9))' "
       "&& job -q",
       "test -x /usr/bin/job -a \\! -d /run/systemd/system && perl -e 'sleep int(rand(9))' && job -q"},
      {"5-55/10 * * * * root command -v job > /dev/null && job 1 1", "command -v job > /dev/null && job 1 1"},
      {"09,39 *     * * *     root   [ -x /usr/lib/job ] || exit 0; /usr/lib/job",
       "[ -x /usr/lib/job ] || exit 0; /usr/lib/job"},
      {"@daily news /usr/lib/news/bin/news.daily", "/usr/lib/news/bin/news.daily"},
      {"0 0 * * * root A=1 job # not a comment", "A=1 job # not a comment"},
  };
  for (const auto& [line, script] : table) {
    INFO(line);
    const Crontab crontab = system_form(line + "\n");
    REQUIRE(crontab.entries.size() == 1);
    CHECK(script_of(crontab.entries[0]) == script);
  }
}

TEST_CASE("what is set counts from its line on, and never leaves its quotes") {
  const Crontab crontab = system_form(
      "0 0 * * * root first\n"
      "SHELL=/bin/bash\n"
      "PATH=/usr/sbin:/usr/bin\n"
      "NAME = \"it's; rm -rf $HOME\"  \n"
      "  EMPTY=\n"
      "0 0 * * * root second\n"
      "PATH='/opt/bin'\n"
      "0 0 * * * root third\n");
  REQUIRE(crontab.entries.size() == 3);
  CHECK(crontab.leftovers.empty());
  CHECK(script_of(crontab.entries[0]) == "first");
  CHECK(crontab.entries[0].schedule["command"]["payload"]["program"] == "/bin/sh");
  CHECK(script_of(crontab.entries[1]) ==
        "export PATH='/usr/sbin:/usr/bin' NAME='it'\\''s; rm -rf $HOME' EMPTY=''; second");
  CHECK(crontab.entries[1].schedule["command"]["payload"]["program"] == "/bin/bash");
  CHECK(script_of(crontab.entries[2]).rfind("export PATH='/opt/bin' NAME=", 0) == 0);
}

TEST_CASE("settings without a meaning here are told, but are no failure") {
  const Crontab crontab =
      user_form("MAILTO=root\nMAILTO=\"\"\nCONTENT_TYPE=text/plain\nMY-VAR=1\n0 0 * * * job\n");
  CHECK(crontab.entries.size() == 1);
  REQUIRE(crontab.leftovers.size() == 4);
  for (const CrontabLeftover& each : crontab.leftovers) CHECK_FALSE(each.is_entry);
  CHECK(crontab.leftovers[0].reason == "no mail is sent: the output is in each command's result");
  CHECK(crontab.leftovers[3].reason == "'MY-VAR' is not a name for a variable");
}

TEST_CASE("CRON_TZ is the time zone of the lines below it") {
  const Crontab crontab =
      read_crontab("0 0 * * * one\nCRON_TZ=Asia/Tokyo\n0 0 * * * two\nCRON_TZ=\"Mars\"\n0 0 * * * three\n",
                   {.file = "c", .time_zone = "Europe/Berlin"});
  REQUIRE(crontab.entries.size() == 2);
  CHECK(crontab.entries[0].schedule["time_zone"] == "Europe/Berlin");
  CHECK(crontab.entries[1].schedule["time_zone"] == "Asia/Tokyo");
  REQUIRE(crontab.leftovers.size() == 1);
  CHECK(crontab.leftovers[0].line == 5);
  CHECK(crontab.leftovers[0].is_entry);
  CHECK(crontab.leftovers[0].reason ==
        "time_zone: 'Mars' is not in the time zone database: give a name such as Europe/Berlin or UTC");
}

TEST_CASE("a percent sign begins the standard input, and more of them its lines") {
  const auto check = [](const std::string& text, const std::string& command, const std::string& input,
                        bool has_input) {
    INFO(text);
    const CrontabCommand parts = split_percent(text);
    CHECK(parts.command == command);
    CHECK(parts.input == input);
    CHECK(parts.has_input == has_input);
  };
  check("date", "date", "", false);
  check("mail joe%Joe,%%Where are you?%", "mail joe", "Joe,\n\nWhere are you?\n", true);
  check("cat%one", "cat", "one\n", true);
  check("cat%", "cat", "", true);
  check("date +\\%s%a\\%b", "date +%s", "a%b\n", true);
  check("echo \\\\ \\n \\", "echo \\\\ \\n \\", "", false);
  const Crontab crontab = user_form("0 22 * * 1-5 mail%Joe,%%Where?%\n");
  REQUIRE(crontab.entries.size() == 1);
  CHECK(crontab.entries[0].schedule["command"]["payload"]["stdin"] == "Joe,\n\nWhere?\n");
  CHECK(crontab.entries[0].name == "crontab-mail");
}

TEST_CASE("a line that cannot be taken over says why") {
  CHECK(left(user_form("\n@reboot /usr/bin/job\n")) ==
        "2: @reboot names no time: there is no boot to wait for");
  CHECK(left(user_form("61 * * * * job\n")) == "1: cron: minute: '61' is not a number from 0 to 59");
  CHECK(left(user_form("0 0 30 2 * job\n")) ==
        "1: cron: no date fits day of month '30', month '2' and day of week '*'");
  CHECK(left(user_form("@fortnightly job\n")) ==
        "1: cron: '@fortnightly' is not one of @yearly @annually @monthly @weekly @daily @midnight @hourly");
  CHECK(left(user_form("hello\n")) == "1: has no command");
  CHECK(left(user_form("0 0 * * * job \xff\n")) == "1: is not UTF-8");
  const Crontab perl = user_form("SHELL=/usr/bin/perl\n0 0 * * * print 1\n");
  REQUIRE(perl.leftovers.size() == 1);
  CHECK(perl.leftovers[0].reason == "SHELL=/usr/bin/perl is not a shell like /bin/sh");
  CHECK(perl.leftovers[0].is_entry);
}

TEST_CASE("names come from the file and the command, stay when lines are added above, and are unique") {
  const std::string lines =
      "0 0 * * * root test -x /usr/sbin/logclean && /usr/sbin/logclean a\n"
      "0 1 * * * root /usr/sbin/logclean b\n"
      "0 2 * * * root if true; then echo; fi\n"
      "0 3 * * * root ((((\n"
      "0 4 * * * root /usr/bin/jobs\n";
  const std::vector<std::string> expected{"jobs-logclean", "jobs-logclean-2", "jobs-if", "jobs", "jobs-2"};
  CHECK(names(system_form(lines)) == expected);
  CHECK(names(system_form("0 0 * * * root other\n# comment\n" + lines)).back() == "jobs-2");
  CHECK(names(system_form("0 0 * * * root x\n", "/etc/cron.d/a b:c ")).front() == "a-b-c-x");
  // A command that is called like the second of its kind.
  CHECK(
      names(user_form("0 0 * * * a\n0 0 * * * a\n0 0 * * * a-2\n0 0 * * * a-2\n0 0 * * * a\n")) ==
      std::vector<std::string>{"crontab-a", "crontab-a-2", "crontab-a-2-2", "crontab-a-2-3", "crontab-a-3"});
  const std::string longest =
      names(system_form("0 0 * * * root /usr/bin/" + std::string(500, 'j') + "\n")).front();
  CHECK(longest.size() <= limits::kNameBytes);
}

TEST_CASE("the same line ten thousand times gets as many names, and quickly") {
  std::string text;
  for (int i = 0; i < 10'000; ++i) text += "0 0 * * * a\n";
  const Crontab crontab = user_form(text);
  REQUIRE(crontab.entries.size() == 10'000);
  CHECK(crontab.entries.back().name == "crontab-a-10000");
}

TEST_CASE("line ends of other systems and a missing last one do no harm") {
  const Crontab crontab = user_form("A=1\r\n0 0 * * * one\r\n\r\n0 0 * * * two");
  REQUIRE(crontab.entries.size() == 2);
  CHECK(script_of(crontab.entries[0]) == "export A='1'; one");
  CHECK(script_of(crontab.entries[1]) == "export A='1'; two");
}

}  // namespace duly::cli
