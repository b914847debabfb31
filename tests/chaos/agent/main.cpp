// An agent for the chaos harness: every flag of duly-agent, and chaos.work, whose effect is its rows in the
// ledger.
//
// Payload: {"ms": 20, "fail": [1, 2], "for_good": false, "poison": false}.  It says `start`, works for `ms`,
// says `end` with how it went, and then fails on the attempts listed.  Poison kills the whole process after
// `start`. DULY_CHAOS_LEDGER names the ledger's socket.
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string>

#include "agent/app/agent_main.h"
#include "agent/handlers/handler.h"
#include "common/model/limits.h"
#include "common/wire/json.h"
#include "tests/chaos/agent/ledger.h"

namespace {

using duly::HandlerResult;

struct Work {
  std::int64_t ms = 0;
  bool fails = false;
  bool for_good = false;
  bool poison = false;
};

// Null and everything that is left out mean: at once, and well.
Work read_work(const duly::HandlerContext& context) {
  Work work;
  const auto payload = duly::parse_json(context.payload, duly::limits::kJsonDepth);
  if (!payload || !payload->is_object()) return work;
  work.ms = payload->value("ms", std::int64_t{0});
  work.for_good = payload->value("for_good", false);
  work.poison = payload->value("poison", false);
  if (const auto fail = payload->find("fail"); fail != payload->end()) {
    for (const auto& attempt : *fail) work.fails = work.fails || attempt == context.attempt;
  }
  return work;
}

// The ledger's rows are an effect in the outside world: nothing here makes them idempotent.
bool write(const char* what, const duly::HandlerContext& context, const std::string& how) {
  const char* path = std::getenv("DULY_CHAOS_LEDGER");
  thread_local duly::chaos::LedgerConnection ledger(path != nullptr ? path : "");
  return ledger.write(std::string(what) + " " + duly::format_command_id(context.id) + " " +
                      std::to_string(context.attempt) + " " + std::to_string(::getpid()) + " " + how);
}

HandlerResult run(const duly::HandlerContext& context) {
  const Work work = read_work(context);
  // Without its row nothing is done: so the ledger knows of every effect.
  if (!write("start", context, "-")) return HandlerResult::fail("the ledger does not answer");
  if (work.poison) ::kill(::getpid(), SIGKILL);
  if (context.wait_cancelled(duly::milliseconds{work.ms})) {
    write("end", context, "cancelled");
    return HandlerResult::fail("cancelled while it worked");
  }
  if (!write("end", context, work.fails ? "failed" : "succeeded"))
    return HandlerResult::fail("the ledger does not answer");
  if (work.fails)
    return work.for_good ? HandlerResult::fail_for_good("by order") : HandlerResult::fail("by order");
  return HandlerResult::succeed(std::to_string(context.attempt));
}

}  // namespace

int main(int argc, char** argv) {
  duly::HandlerRegistry handlers;
  handlers.add("chaos.work", run);
  return duly::run_agent(argc, argv, handlers);
}
