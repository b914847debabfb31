#include <cstdint>
#include <memory>

#include "cli/watch.h"

namespace duly::cli {
namespace {

Columns agent_columns() {
  return {{"NAME", "name"},         {"STATE", "state"},
          {"ROLES", "roles"},       {"IN FLIGHT", "in_flight"},
          {"RUNNING", "running"},   {"PUBLISHED", "published"},
          {"EXECUTED", "executed"}, {"VERSION", "version"},
          {"ADDRESS", "address"},   {"LAST HEARTBEAT", "last_heartbeat_at"},
          {"SHARDS", "shards"}};
}

Columns shard_columns() {
  return {{"SHARD", "shard"},   {"AGENT", "agent"},         {"EPOCH", "epoch"}, {"STATE", "state"},
          {"PINNED", "pinned"}, {"SCHEDULED", "scheduled"}, {"DUE", "due"}};
}

void add_agents(CLI::App& app, Session& session) {
  const auto name = std::make_shared<std::string>();
  CLI::App* agents = app.add_subcommand("agents", "Show the agents");
  agents->add_option("NAME", *name, "only this one, in full");
  run_watched(agents, session, [name, &session](Api& api) {
    if (!name->empty()) return show_object(session, api.get("/v1/agents/" + url_encode(*name)));
    return show_list(session, api, "/v1/agents", agent_columns());
  });
  for (const std::string verb : {"drain", "resume"}) {
    CLI::App* command =
        app.add_subcommand(verb, verb == "drain" ? "Let an agent hand its shards over and take no new work"
                                                 : "Let an agent take part again");
    command->add_option("AGENT", *name, "name of the agent")->required();
    run_on(command, session, [name, verb, &session](Api& api) {
      return show_accepted(session, api.post("/v1/agents/" + url_encode(*name) + "/" + verb),
                           verb + " " + *name);
    });
  }
}

void add_shards(CLI::App& app, Session& session) {
  CLI::App* shards = app.add_subcommand("shards", "Show the shards and who holds them; pin, unpin");
  run_watched_alone(shards, session,
                    [&session](Api& api) { return show_list(session, api, "/v1/shards", shard_columns()); });
  const auto shard = std::make_shared<int>(0);
  const auto agent = std::make_shared<std::string>();
  const auto path = [shard] { return "/v1/shards/" + std::to_string(*shard) + "/agent"; };
  CLI::App* pin = shards->add_subcommand("pin", "Assign a shard to an agent and keep it there");
  pin->add_option("SHARD", *shard, "number of the shard")->required();
  pin->add_option("AGENT", *agent, "name of the agent")->required();
  run_on(pin, session, [path, agent, &session](Api& api) {
    return show_accepted(session, api.put(path(), dump_json(Json{{"agent", *agent}})), "pinned to " + *agent);
  });
  CLI::App* unpin =
      shards->add_subcommand("unpin", "Take a shard from its agent and let the balancer choose");
  unpin->add_option("SHARD", *shard, "number of the shard")->required();
  run_on(unpin, session, [path, &session](Api& api) {
    return show_accepted(session, api.send({.method = "DELETE", .path = path()}), "unpinned");
  });
}

struct CrashFlags {
  std::string agent;
  std::string mode = "kill";
  std::string point = "now";
  std::int64_t after = 1;
  std::int64_t duration_ms = 0;
};

void add_strike_flags(CLI::App* command, CrashFlags& flags) {
  command->add_option("--mode", flags.mode, "kill, hang or disconnect")
      ->check(CLI::IsMember({"kill", "hang", "disconnect"}))
      ->capture_default_str();
  command->add_option("--point", flags.point, "now, or a named place in the code")->capture_default_str();
  command->add_option("--after", flags.after, "strike the so-many-th time the place is passed")
      ->capture_default_str();
  command->add_option("--duration-ms", flags.duration_ms, "of a hang or disconnect")->capture_default_str();
}

void add_crash(CLI::App& app, Session& session) {
  const auto flags = std::make_shared<CrashFlags>();
  const auto strike = [flags, &session](Api& api, const std::string& path) {
    const Json body{{"mode", flags->mode},
                    {"point", flags->point},
                    {"after", flags->after},
                    {"duration_ms", flags->duration_ms}};
    return show_accepted(session, api.post(path + "/simulate-crash", dump_json(body)),
                         flags->mode + " is armed at " + flags->point);
  };
  CLI::App* crash = app.add_subcommand("crash", "Simulate a crash (needs --fault-injection there)");
  crash->require_subcommand(1);
  CLI::App* agent = crash->add_subcommand("agent", "Strike an agent");
  agent->add_option("NAME", flags->agent, "name of the agent")->required();
  add_strike_flags(agent, *flags);
  run_on(agent, session,
         [flags, strike](Api& api) { return strike(api, "/v1/agents/" + url_encode(flags->agent)); });
  CLI::App* server = crash->add_subcommand("server", "Strike the server");
  add_strike_flags(server, *flags);
  run_on(server, session, [strike](Api& api) { return strike(api, "/v1/server"); });
}

}  // namespace

void add_cluster(CLI::App& app, Session& session) {
  add_agents(app, session);
  add_shards(app, session);
  CLI::App* stats = app.add_subcommand("stats", "Show counts, rates and lateness");
  run_watched(stats, session, [&session](Api& api) { return show_object(session, api.get("/v1/stats")); });
  add_crash(app, session);
}

}  // namespace duly::cli
