// Executors that are no agents of ours: they have no session, only HTTP and the queue duly.results.
//
// Whether one lives is told by nothing but what it says: an attempt is lost timeout_ms after its begin or its
// last heartbeat.  The fences are those of agents (engine_life.cpp): one permit for an attempt, and a report
// counts only for the attempt that runs.
#include <string>
#include <utility>

#include "common/base/planted.h"
#include "control-server/core/engine.h"

namespace duly {
namespace {

// Of an executor that reports without a begin and without a name.
const std::string kNameless = "duly.results";

Problem no_such_command() { return {404, "Not found", "there is no such command", "", 0}; }

}  // namespace

void Engine::on(HttpBegin& input) {
  const PartyNumber party = store_.party_number(input.executor, Incarnation{0});
  const bool any_token = DULY_PLANTED("begin.token");
  const Permit permitted =
      permit({input.id, input.attempt, any_token ? std::optional<Token>{} : input.token, party});
  if (permitted.refusal == Refusal::none) {
    executors_[party].name = input.executor;
    return answer(input.reply,
                  JsonBody{200, "{\"timeout_ms\":" + std::to_string(permitted.timeout_ms) + "}"});
  }
  ++stats_.permits_refused;
  if (permitted.refusal == Refusal::unknown) return answer(input.reply, no_such_command());
  answer(input.reply, Problem{409, "Do not run", std::string(name_of(permitted.refusal)), "", 0});
}

// Who runs this attempt, if it is a foreign executor, of that name where one is given; else 0, which is
// nobody.
PartyNumber Engine::foreign_runner(CommandId id, int attempt, const std::string& name) const {
  const Running* at = running_.find(id);
  if (at == nullptr || at->attempt != attempt || !at->foreign) return 0;
  const PartyNumber party = at->executor;
  return name.empty() || executors_.at(party).name == name ? party : 0;
}

// Nothing of it is stored: a restart gives every attempt its whole time anew, so no deadline of before it
// could matter.
void Engine::on(HttpHeartbeat& input) {
  if (foreign_runner(input.id, input.attempt, input.executor) != 0) {
    Running& running = *running_.find(input.id);
    if (!DULY_PLANTED("heartbeat.kept")) running.deadline = attempt_deadline(running);
    watch_deadline(input.id, running);
    return answer(input.reply, JsonBody{200, R"({"state":"running","cancelled":false,"timeout_ms":)" +
                                                 std::to_string(running.timeout_ms) + "}"});
  }
  const auto row = store_.find(input.id);
  if (!row) return answer(input.reply, no_such_command());
  if (was_cancelled(input)) {
    return answer(input.reply, JsonBody{200, R"({"state":")" + std::string(name_of(row->state)) +
                                                 R"(","cancelled":true})"});
  }
  answer(input.reply, Problem{409, "Stale", "this executor does not run that attempt", "", 0});
}

bool Engine::was_cancelled(const HttpHeartbeat& input) {
  for (const AttemptRow& row : store_.attempts(input.id)) {
    if (row.attempt != input.attempt || row.outcome != AttemptOutcome::cancelled) continue;
    const auto party = store_.party(row.executor);
    return input.executor.empty() || (party && party->first == input.executor);
  }
  return false;
}

void Engine::on(HttpFinish& input) {
  const PartyNumber party = foreign_runner(input.item.id, input.item.attempt, input.executor);
  if (finish(input.item, party)) return answer(input.reply, JsonBody{200, "{}"});
  ++stats_.stale_results;
  answer(input.reply, Problem{409, "Stale", "this executor does not run that attempt", "", 0});
}

// ---- duly.results
// ----------------------------------------------------------------------------------------------

void Engine::on(ResultMessage& input) {
  const auto row = store_.find(input.item.id);
  if (!row) {
    note_missing(input.item.id, "a result of it came by message");
    return answer(input.reply, no_such_command());
  }
  if (input.item.attempt == 0) {
    // It can only be of the first attempt, as long as there may have been no other.
    const bool next_open = row->state == State::scheduled || row->state == State::queued;
    const bool other = row->attempt > 1 || (row->attempt == 1 && next_open);
    if (other) {
      return answer(input.reply, Problem{422, "Of which attempt?",
                                         "it does not say which attempt it is of, and the command has more "
                                         "than one: correlation_id must be <id>.<attempt>",
                                         "", 0});
    }
    input.item.attempt = 1;
  }
  if (!record(input, *row)) ++stats_.stale_results;
  answer(input.reply, Done{input.item.id});
}

// False when it is stale.
bool Engine::record(const ResultMessage& input, const StateRow& row) {
  const FinishItem& item = input.item;
  const bool any_attempt = DULY_PLANTED("results.fence");
  if (row.state == State::running && (row.attempt == item.attempt || any_attempt)) {
    // Who holds the permit may have begun with a message of before a reschedule, where it did not say which.
    const bool by_name = !input.executor.empty() && !DULY_PLANTED("results.name");
    const bool this_message = by_name || !input.token || *input.token == row.token;
    FinishItem current = item;
    current.attempt = row.attempt;
    return this_message && finish(current, foreign_runner(row.id, row.attempt, input.executor));
  }
  if (item.attempt != row.next_attempt()) return false;  // before a name is stored for what cannot count
  // Nobody asked whether it may begin: the permit is granted and used up here, so there is still one at most.
  const std::string& name = input.executor.empty() ? kNameless : input.executor;
  PermitRequest asked{item.id, item.attempt, input.token, store_.party_number(name, Incarnation{0})};
  asked.ran = true;
  return permit(asked).refusal == Refusal::none && finish(item, asked.executor);
}

}  // namespace duly
