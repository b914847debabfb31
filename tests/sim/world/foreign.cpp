// An executor that is no agent of ours: it consumes a queue of its own, begins and beats over HTTP, and
// reports over HTTP or by message to duly.results.  Of some commands it never asks whether it may begin.
//
// Oracles.  A granted begin is one run (I2).  A result that the server has acknowledged to the broker is on
// record: its attempt runs no longer.  Whoever said within its time-out that it lives is not taken for dead.
#include <cstdio>
#include <utility>

#include "common/model/limits.h"
#include "common/wire/envelope.h"
#include "control-server/ingest/result_message.h"
#include "tests/sim/world/world.h"

namespace duly::sim {
namespace {

constexpr Duration kAgain = milliseconds{300};  // before what nobody answered is asked again
constexpr Duration kBeat = milliseconds{600};
constexpr std::int64_t kTimeoutMs = 2000;
constexpr int kPrefetch = 4;
const std::string kForeignQueue = "foreign";
const std::string kName = "foreigner";

// One and the same for every copy of a message.
bool asks(CommandId id) { return mix(static_cast<std::uint64_t>(id.value)) % 10 < 7; }

// The token of its message, when it begins; who does not gives its name with the result.
bool says_token(CommandId id) { return mix(static_cast<std::uint64_t>(id.value)) / 10 % 2 == 0; }

int status_of(const Answer& answer) {
  const auto* problem = std::get_if<Problem>(&answer.what);
  return problem != nullptr ? problem->status : 200;
}

}  // namespace

void World::submit_foreign() {
  const std::int64_t count = rng_.between(1, 3);
  for (std::int64_t i = 0; i < count; ++i) {
    NewCommand command = draw_command();
    CommandSpec& spec = command.spec;
    spec.queue = kForeignQueue;
    spec.timeout_ms = kTimeoutMs;
    const std::int64_t fails = rng_.chance(0.3) ? 1 : 0;
    // Some outlive their time-out; with heartbeats they may.
    const std::int64_t ms = rng_.chance(0.1) ? rng_.between(2500, 4000) : rng_.between(0, 400);
    spec.payload = make_bytes("[" + std::to_string(fails) + "," + std::to_string(ms) + ",0]");
    const ReplyTo reply = next_reply_++;
    if (server_->submit(Submit{reply, "client", {command}})) {
      pending_[reply] = Pending{{std::move(command)}, CommandId{}, "submit", {}, {}, {}};
    } else {
      unknown_.push_back({{std::move(command)}, false});
    }
  }
}

void World::start_foreigner() {
  ++foreign_.life;
  foreign_.broker = std::make_unique<SimBroker>(
      loop_, rabbit_, SimBrokerConfig{limits::kPublishWindow, seconds{1}, seconds{1}});
  BrokerEvents events;
  events.publisher_state = [](bool) {};
  events.publisher_blocked = [](bool) {};
  events.settled = [this](const std::vector<SettledPublish>& results) {
    for (const SettledPublish& result : results) report_settled(result);
  };
  events.consumer_up = events.consumer_down = [] {};
  events.deliveries = [this](const std::vector<Delivery>& deliveries) {
    for (const Delivery& delivery : deliveries) take_foreign(delivery);
  };
  events.inspected = [](const QueueDepth&) {};
  foreign_.broker->start(std::move(events));
  foreign_.broker->consume(kForeignQueue, kPrefetch);
}

// kill -9: what it ran, and what it had not published, is gone with it.
void World::kill_foreigner() {
  if (!foreign_.broker) return;
  ++foreign_.life;
  foreign_.broker.reset();
  foreign_.running.clear();
  foreign_.sending.clear();
  foreign_later(rng_.between(milliseconds{50}, milliseconds{1500}), [this] { start_foreigner(); });
}

// Unless it has died by then.
void World::foreign_later(Duration after, std::function<void()> task) {
  loop_.at(loop_.now() + after, [this, life = foreign_.life, task = std::move(task)] {
    if (life == foreign_.life) task();
  });
}

// `done` is told the answer's status, or 503 when there is none.
void World::ask_foreign(const std::function<Input(ReplyTo)>& make, std::function<void(int)> done) {
  const ReplyTo reply = next_reply_++;
  if (!server_->submit(make(reply))) return foreign_later(kAgain, [done = std::move(done)] { done(503); });
  foreign_.asked[reply] = [this, life = foreign_.life, done = std::move(done)](int status) {
    if (life == foreign_.life) done(status);
  };
}

bool World::foreign_answered(const Answer& answer) {
  const auto asked = foreign_.asked.extract(answer.reply);
  if (!asked.empty()) asked.mapped()(status_of(answer));
  return !asked.empty();
}

void World::foreign_unanswered() {
  for (auto& [reply, done] : std::exchange(foreign_.asked, {}))
    foreign_later(kAgain, [done = done] { done(503); });
}

// ---- one attempt
// -----------------------------------------------------------------------------------------------

void World::take_foreign(const Delivery& delivery) {
  const auto execution = read_execution_message(delivery.message);
  if (!execution) return foreign_.broker->settle(delivery.generation, delivery.tag, Settle::ack);
  ForeignRun run{
      {execution->id, execution->attempt}, execution->token, 0, 0, delivery.generation, delivery.tag};
  const int read = std::sscanf(execution->payload->c_str(), "[%d,%d,", &run.fails, &run.ms);
  DULY_ASSERT(read == 2);
  if (asks(run.ref.id)) return begin_foreign(run);
  foreign_later(milliseconds{run.ms}, [this, run] { end_foreign(run); });
}

void World::begin_foreign(const ForeignRun& run) {
  ask_foreign(
      [run](ReplyTo reply) {
        const bool says = says_token(run.ref.id);
        return HttpBegin{reply, run.ref.id, run.ref.attempt, kName,
                         says ? std::optional{run.token} : std::nullopt};
      },
      [this, run, at = loop_.now()](int status) {
        if (status >= 500) return foreign_later(kAgain, [this, run] { begin_foreign(run); });
        wire_.answered.insert(run.ref);
        foreign_.broker->settle(run.generation, run.tag, Settle::ack);
        if (status != 200) return;
        ledger_.start(run.ref, loop_.now());
        foreign_.running[run.ref] = at;
        foreign_later(milliseconds{run.ms}, [this, run] {
          if (foreign_.running.erase(run.ref) > 0) end_foreign(run);
        });
        foreign_later(kBeat, [this, run] { beat_foreign(run); });
      });
}

void World::beat_foreign(const ForeignRun& run) {
  if (!foreign_.running.contains(run.ref)) return;
  ask_foreign(
      [run](ReplyTo reply) {
        return HttpHeartbeat{reply, run.ref.id, run.ref.attempt, kName};
      },
      [this, run, at = loop_.now()](int status) {
        const auto running = foreign_.running.find(run.ref);
        if (running == foreign_.running.end()) return;
        if (status == 409) {
          judge_loss(run.ref, running->second);
          foreign_.running.erase(running);
          return;
        }
        if (status == 200) running->second = at;
        foreign_later(kBeat, [this, run] { beat_foreign(run); });
      });
}

void World::judge_loss(AttemptRef ref, MonoTime last_sign) {
  for (const AttemptRow& row : server_->store().attempts(ref.id)) {
    const bool lost = row.attempt == ref.attempt && row.outcome == AttemptOutcome::lost;
    if (lost && loop_.now() - last_sign < milliseconds{kTimeoutMs})
      throw Violation{"I7: " + format_command_id(ref.id) + " was taken for lost although it gave a sign " +
                      std::to_string(to_ms(loop_.now() - last_sign)) + " ms ago"};
  }
}

void World::end_foreign(const ForeignRun& run) {
  const bool ok = run.ref.attempt > run.fails;
  if (!asks(run.ref.id)) {
    foreign_.unasked.insert(run.ref);
    ledger_.starts.emplace(run.ref, Ledger::Start{loop_.now()});
  }
  ledger_.end(run.ref, ok);
  const bool by_message = !asks(run.ref.id) || rng_.chance(0.6);
  if (!by_message) return finish_foreign(run, ok);
  AmqpMessage message;
  message.routing_key = topology::kResultsQueue;
  message.correlation_id = format_command_id(run.ref.id) + "." + std::to_string(run.ref.attempt);
  const std::string name = says_token(run.ref.id) || !asks(run.ref.id) ? "" : R"(,"executor":"foreigner")";
  message.body =
      make_bytes((ok ? R"({"outcome":"succeeded","result":true)" : R"({"outcome":"failed")") + name + "}");
  if (rng_.chance(0.5)) message.headers["duly-token"] = std::int64_t{run.token.value};
  publish_report(run, message);
  // It did not wait for its confirm, or somebody sends old ones again.
  if (rng_.chance(0.3))
    foreign_later(rng_.between(Duration{1}, milliseconds{1500}),
                  [this, run, message] { publish_report(run, message); });
}

void World::finish_foreign(const ForeignRun& run, bool ok) {
  FinishItem item{run.ref.id, run.ref.attempt, ok ? AttemptOutcome::succeeded : AttemptOutcome::failed, true,
                  "",         nullptr};
  ask_foreign(
      [item](ReplyTo reply) {
        return HttpFinish{reply, item, kName};
      },
      [this, run, ok](int status) {
        if (status >= 500) foreign_later(kAgain, [this, run, ok] { finish_foreign(run, ok); });
      });
}

void World::publish_report(const ForeignRun& run, const AmqpMessage& message) {
  const PublishTicket ticket = ++last_message_;
  foreign_.sending.insert_or_assign(ticket, std::pair{run, message});
  foreign_.broker->publish(ticket, message);
}

void World::report_settled(const SettledPublish& result) {
  const auto sent = foreign_.sending.extract(result.ticket);
  if (sent.empty()) return;
  const auto [run, message] = sent.mapped();
  if (result.outcome != PublishOutcome::confirmed) {
    foreign_later(kAgain, [this, run = run, message = message] { publish_report(run, message); });
  } else if (!asks(run.ref.id)) {
    wire_.answered.insert(run.ref);
    foreign_.broker->settle(run.generation, run.tag, Settle::ack);
  }
}

// ---- oracles
// ---------------------------------------------------------------------------------------------------

void World::watch_report_settled(const AmqpMessage& message) {
  if (message.routing_key != topology::kResultsQueue) return;
  const auto report = read_result_message(message);
  if (report && asks(report->item.id)) foreign_.acknowledged.insert({report->item.id, report->item.attempt});
}

void World::watch_reports() {
  for (const AttemptRef& ref : std::exchange(foreign_.acknowledged, {})) {
    const auto row = server_->store().find(ref.id);
    if (row && row->state == State::running && row->attempt == ref.attempt)
      throw Violation{"I1: the result of " + format_command_id(ref.id) + " attempt " +
                      std::to_string(ref.attempt) + " was acknowledged and is not on record"};
  }
}

std::size_t World::reports_on_their_way() const {
  return foreign_.sending.size() + rabbit_.ready(topology::kResultsQueue).value_or(0) +
         rabbit_.unsettled(topology::kResultsQueue).value_or(0);
}

}  // namespace duly::sim
