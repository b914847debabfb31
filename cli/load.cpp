// duly load: submits newline-delimited JSON in batches, each of which the server takes whole or not at all.
#include <sys/stat.h>

#include <charconv>
#include <fstream>
#include <iostream>
#include <memory>

#include "cli/progress.h"
#include "cli/requests.h"
#include "common/model/limits.h"

namespace duly::cli {
namespace {

constexpr std::size_t kLinesPerBatch = 1000;
constexpr std::size_t kBytesPerBatch = 4U << 20;
constexpr int kBatchTries = 60;  // of one batch, while the server is away or busy
static_assert(kLinesPerBatch <= limits::kBatchCommands && kBytesPerBatch < limits::kHttpBatchBytes);

struct Batch {
  std::string text;
  std::vector<std::uint64_t> lines;  // number of each of its lines in the input
  bool keyed = true;                 // every line has an idempotency key: sending it again does no harm
};

class Loader {
 public:
  Loader(const Session& session, Api& api, std::istream& input, std::uint64_t total_bytes)
      : session_(session), api_(api), input_(input), total_(total_bytes) {}

  int run() {
    int code = kDone;
    while (code == kDone && !at_end_) {
      Batch batch;
      if (auto read = read_batch(batch); !read) code = report(read.error());
      if (code == kDone && !batch.lines.empty()) code = send(batch);
      progress_.show(bytes_, total_, std::to_string(accepted_) + " accepted");
    }
    return code;
  }

  std::uint64_t accepted() const { return accepted_; }
  std::uint64_t replayed() const { return replayed_; }

 private:
  Status read_batch(Batch& batch) {
    while (batch.lines.size() < kLinesPerBatch && batch.text.size() < kBytesPerBatch) {
      std::string line;
      if (!std::getline(input_, line)) {
        at_end_ = true;
        return ok_status();
      }
      ++line_;
      bytes_ += line.size() + 1;
      if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
      const auto checked = parse_json(line, limits::kJsonDepth + 1);
      const std::string place = "line " + std::to_string(line_);
      if (!checked) return Error{Errc::fatal, place + " is not valid JSON: " + checked.error().what};
      if (!checked->is_object()) return Error{Errc::fatal, place + " is not an object"};
      batch.keyed = batch.keyed && checked->contains("idempotency_key");
      batch.lines.push_back(line_);
      batch.text += line + "\n";
    }
    return ok_status();
  }

  int send(const Batch& batch) {
    for (int tries = 1;; ++tries) {
      const auto answer = api_.send({.method = "POST",
                                     .path = "/v1/commands/batch",
                                     .body = batch.text,
                                     .content_type = "application/x-ndjson"});
      if (answer && answer->good()) return count(*answer, batch);
      const bool again = answer ? answer->busy()
                                : answer.error().code == Errc::unavailable ||
                                      (answer.error().code == Errc::in_doubt && batch.keyed);
      if (!again || tries >= kBatchTries)
        return answer ? refused(*answer, batch) : unanswered(answer.error(), batch);
      pause_for(answer ? answer->retry_after : seconds{1});
    }
  }

  int count(const Answer& answer, const Batch& batch) {
    accepted_ += batch.lines.size();
    if (!answer.body.is_object()) return kDone;
    for (const Json& item : answer.body.value("items", Json::array())) {
      if (item.is_object() && item.value("replayed", Json()) == Json(true)) ++replayed_;
      if (session_.json()) print_line(dump_json(item));
    }
    return kDone;
  }

  static std::string lines_of(const Batch& batch) {
    return "lines " + std::to_string(batch.lines.front()) + " to " + std::to_string(batch.lines.back());
  }

  int unanswered(const Error& error, const Batch& batch) const {
    const bool doubtful = error.code == Errc::in_doubt;
    report(error);
    std::fprintf(stderr, "  %s %s accepted\n", lines_of(batch).c_str(),
                 doubtful ? "may have been" : "were not");
    return kFailed;
  }

  // The problem, with each place in the batch told as the line of the input it is.
  static int refused(Answer answer, const Batch& batch) {
    const auto errors = answer.body.is_object() ? answer.body.find("errors") : answer.body.end();
    if (errors != answer.body.end() && errors->is_array()) {
      for (Json& each : *errors) name_line(each, batch);
    }
    const int code = report_problem(answer);
    std::fprintf(stderr, "  nothing of %s was accepted\n", lines_of(batch).c_str());
    return code;
  }

  static void name_line(Json& error, const Batch& batch) {
    constexpr std::string_view kPrefix = "/commands/";
    if (!error.is_object() || !error.contains("pointer") || !error["pointer"].is_string()) return;
    const std::string pointer = error["pointer"];
    std::string_view rest = pointer;
    rest.remove_prefix(rest.rfind(kPrefix, 0) == 0 ? kPrefix.size() : 1);
    std::size_t index = 0;
    const auto [end, problem] = std::from_chars(rest.data(), rest.data() + rest.size(), index);
    if (problem != std::errc{} || index >= batch.lines.size()) return;
    error["pointer"] =
        "line " + std::to_string(batch.lines[index]) + " " + std::string(end, rest.data() + rest.size());
  }

  const Session& session_;
  Api& api_;
  std::istream& input_;
  ProgressLine progress_;
  const std::uint64_t total_;  // bytes; 0 = not known
  std::uint64_t line_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t accepted_ = 0;
  std::uint64_t replayed_ = 0;
  bool at_end_ = false;
};

int load(const Session& session, const std::string& path, Api& api) {
  std::ifstream file;
  struct stat about {};
  if (path != "-") {
    file.open(path, std::ios::binary);
    if (!file || ::stat(path.c_str(), &about) != 0) return report(invalid("cannot read " + path));
  }
  const auto total = path != "-" && S_ISREG(about.st_mode) ? static_cast<std::uint64_t>(about.st_size) : 0;
  std::uint64_t accepted = 0;
  std::uint64_t replayed = 0;
  int code = kDone;
  {
    Loader loader(session, api, path == "-" ? std::cin : file, total);
    code = loader.run();
    accepted = loader.accepted();
    replayed = loader.replayed();
  }
  if (!session.json() || code != kDone) {
    std::fprintf(code == kDone ? stdout : stderr, "%llu accepted, %llu of them already known\n",
                 static_cast<unsigned long long>(accepted), static_cast<unsigned long long>(replayed));
  }
  return code;
}

}  // namespace

void add_load(CLI::App& app, Session& session) {
  const auto path = std::make_shared<std::string>("-");
  CLI::App* command =
      app.add_subcommand("load", "Submit newline-delimited JSON, a command a line, in batches");
  command->add_option("FILE", *path, "file, or - for standard input")->capture_default_str();
  command->callback([path, &session] {
    session.exit_code = with_api(session, [&](Api& api) { return load(session, *path, api); });
  });
}

}  // namespace duly::cli
