// duly export: ended commands as newline-delimited JSON, page by page until the end.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>

#include "cli/requests.h"

namespace duly::cli {
namespace {

// Of one page, while the server is away or busy; of the first one, whose address may be wrong, fewer.
constexpr int kPageTries = 60;
constexpr int kFirstTries = 3;

struct ExportFlags {
  std::string state, type, queue, finished_after, finished_before;
  std::string file = "-";
};

class Exporter {
 public:
  Exporter(const ExportFlags& flags, Api& api, std::ostream& out)
      : flags_(flags),
        api_(api),
        out_(out),
        shown_(::isatty(STDERR_FILENO) == 1 && (flags.file != "-" || ::isatty(STDOUT_FILENO) == 0)) {}

  int run() {
    std::string cursor;
    do {
      const auto answer = ask(cursor);
      if (!answer) return ended(report(answer.error()));
      if (!answer->good()) return ended(report_problem(*answer));
      out_ << answer->text;
      if (!out_.flush()) return ended(report({Errc::fatal, "cannot write to " + flags_.file}));
      commands_ += static_cast<std::uint64_t>(std::count(answer->text.begin(), answer->text.end(), '\n'));
      if (shown_) std::fprintf(stderr, "\r%llu exported", static_cast<unsigned long long>(commands_));
      if (answer->next_cursor == cursor && !cursor.empty())
        return ended(report({Errc::fatal, "the server answers the same page again"}));
      cursor = answer->next_cursor;
    } while (!cursor.empty());
    return ended(kDone);
  }

  [[nodiscard]] std::uint64_t commands() const { return commands_; }

 private:
  // A page changes nothing, so it may be asked for as often as it takes.
  Result<Answer> ask(const std::string& cursor) {
    const std::string path = "/v1/commands/export" + query_of({{"state", flags_.state},
                                                               {"type", flags_.type},
                                                               {"queue", flags_.queue},
                                                               {"finished_after", flags_.finished_after},
                                                               {"finished_before", flags_.finished_before},
                                                               {"cursor", cursor}});
    const int most = cursor.empty() ? kFirstTries : kPageTries;
    for (int tries = 1;; ++tries) {
      auto answer = api_.get(path);
      const bool again = answer ? answer->busy() : answer.error().code != Errc::invalid;
      if (!again || tries >= most) return answer;
      pause_for(answer ? answer->retry_after : seconds{1});
    }
  }

  int ended(int code) const {
    if (shown_) std::fputs("\n", stderr);
    return code;
  }

  const ExportFlags& flags_;
  Api& api_;
  std::ostream& out_;
  const bool shown_;
  std::uint64_t commands_ = 0;
};

// A file gets its name when it is whole: one that is there has everything in it.
int export_to_file(const ExportFlags& flags, Api& api) {
  const std::string part = flags.file + ".part";
  std::ofstream file(part, std::ios::binary | std::ios::trunc);
  if (!file) return report(invalid("cannot write to " + part));
  Exporter exporter(flags, api, file);
  if (const int code = exporter.run(); code != kDone) return code;
  file.close();
  if (!file || std::rename(part.c_str(), flags.file.c_str()) != 0)
    return report({Errc::fatal, "cannot write to " + flags.file});
  std::fprintf(stderr, "%llu commands in %s\n", static_cast<unsigned long long>(exporter.commands()),
               flags.file.c_str());
  return kDone;
}

}  // namespace

void add_export(CLI::App& app, Session& session) {
  const auto flags = std::make_shared<ExportFlags>();
  CLI::App* command = app.add_subcommand("export", "Write ended commands as NDJSON, the longest ended first");
  command->add_option("--state", flags->state, "only ended in this state")->type_name("STATE");
  command->add_option("--type", flags->type, "only of this type");
  command->add_option("--queue", flags->queue, "only of this queue");
  command->add_option("--finished-after", flags->finished_after, "only ended after this instant");
  command->add_option("--finished-before", flags->finished_before, "only ended before this instant");
  command->add_option("-o", flags->file, "file, or - for standard output")
      ->type_name("FILE")
      ->capture_default_str();
  command->callback([flags, &session] {
    session.exit_code = with_api(session, [&](Api& api) {
      return flags->file == "-" ? Exporter(*flags, api, std::cout).run() : export_to_file(*flags, api);
    });
  });
}

}  // namespace duly::cli
