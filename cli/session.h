// What every subcommand of the command line gets: where the server is, how to print, and the exit code to
// set.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace duly::cli {

// Exit codes (contract section 1).
inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;
inline constexpr int kUsage = 2;
inline constexpr int kNotFound = 3;

// Flags that say which commands are changed.  They have no variable: what is changed is said in the line that
// changes it.
inline constexpr const char* kSelecting = "Which commands";

struct Session {
  std::string server = "http://127.0.0.1:8080";
  std::string api_key;
  std::string tls_ca, tls_cert, tls_key;  // paths; empty = whom the system trusts, and nothing to show
  std::string output = "table";
  int exit_code = kDone;

  [[nodiscard]] bool json() const { return output == "json"; }
};

// Each adds its subcommands; their callbacks set the exit code.  `session` must outlive `app`.
void add_submit(CLI::App& app, Session& session);
void add_show(CLI::App& app, Session& session);     // list, get, watch
void add_change(CLI::App& app, Session& session);   // cancel, retry, reschedule
void add_explain(CLI::App& app, Session& session);  // explain, revisions
void add_load(CLI::App& app, Session& session);     // load
void add_export(CLI::App& app, Session& session);   // export
void add_operations(CLI::App& app, Session& session);
void add_top(CLI::App& app, Session& session);
void add_cluster(CLI::App& app, Session& session);  // agents, shards, stats, crash, drain, resume
void add_queues(CLI::App& app, Session& session);
void add_events(CLI::App& app, Session& session);
void add_server(CLI::App& app, Session& session);  // history, audit, clock
void add_schedules(CLI::App& app, Session& session);
void add_workflows(CLI::App& app, Session& session);

}  // namespace duly::cli
