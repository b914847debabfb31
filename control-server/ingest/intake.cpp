#include "control-server/ingest/intake.h"

#include <algorithm>
#include <utility>

#include "common/base/log.h"
#include "common/base/planted.h"
#include "common/model/limits.h"
#include "control-server/ingest/result_message.h"
#include "control-server/ingest/submit_message.h"

namespace duly {
namespace {

// Tried again, unlike what is wrong with the message itself.
bool is_for_want_of_room(const Problem& problem) {
  return problem.status == 503 || (problem.status == 507 && !DULY_PLANTED("submit.full"));
}

// As the engine is asked; an error says what is wrong with the message.
Result<Input> read(const Delivery& delivery, ReplyTo reply, std::int64_t now_ms) {
  if (delivery.queue == Intake::kResultQueue) {
    auto result = read_result_message(delivery.message);
    if (!result) return result.error();
    result->reply = reply;
    return Input(std::move(*result));
  }
  auto command = read_submit_message(delivery.message, now_ms);
  if (!command) return command.error();
  return Input(Submit{reply, "message", {std::move(*command)}});
}

// Before anything is on disk.
bool acknowledges_early(const Delivery& delivery) {
  return delivery.queue == Intake::kResultQueue ? DULY_PLANTED("results.commit")
                                                : DULY_PLANTED("submit.commit");
}

}  // namespace

Intake::Intake(Loop& loop, Ports ports) : loop_(loop), ports_(std::move(ports)) {}

void Intake::delivered(std::vector<Delivery> deliveries) {
  for (Delivery& delivery : deliveries) take(std::move(delivery));
  ask_engine();
}

void Intake::take(Delivery delivery) {
  const ReplyTo reply = ++last_;
  auto request = read(delivery, reply, to_ms(loop_.wall()));
  if (!request) return park(std::move(delivery), request.error().what);
  if (acknowledges_early(delivery)) ports_.acknowledge(delivery.generation, delivery.tag);
  waiting_.emplace_hint(waiting_.end(), reply, Taken{std::move(delivery), std::move(*request)});
}

void Intake::consumer_down() {
  // Answers that are still to come find nothing: a command that is stored by then is known by its message id
  // when its message comes again, and a result matters no longer.
  waiting_.clear();
  asked_.clear();
  letters_.clear();
  again_.clear();
}

void Intake::ask_engine() {
  while (!resting_ && !waiting_.empty()) {
    const auto next = waiting_.begin();
    Input request = next->second.request;
    if (!ports_.submit(std::move(request))) return rest();
    asked_.insert(waiting_.extract(next));
  }
}

void Intake::answered(const Answer& answer) {
  auto taken = asked_.extract(answer.reply);
  if (taken.empty()) return;
  if (const auto* problem = std::get_if<Problem>(&answer.what)) return refused(std::move(taken), *problem);
  DULY_ASSERT(std::holds_alternative<Submitted>(answer.what) || std::holds_alternative<Done>(answer.what));
  const Delivery& delivery = taken.mapped().delivery;
  ports_.acknowledge(delivery.generation, delivery.tag);
}

void Intake::refused(std::map<ReplyTo, Taken>::node_type taken, const Problem& problem) {
  if (!is_for_want_of_room(problem)) return park(std::move(taken.mapped().delivery), problem.detail);
  waiting_.insert(std::move(taken));
  rest();
}

// ---- what is not taken
// ----------------------------------------------------------------------------

void Intake::park(Delivery delivery, const std::string& reason) {
  const std::string queue = topology::broker_queue(delivery.queue);
  log(LogLevel::warn, "ingest", "a message was not taken; parked",
      {{"queue", queue}, {"message_id", delivery.message.message_id.substr(0, 64)}, {"reason", reason}});
  Letter letter{delivery.generation, delivery.tag, std::move(delivery.message)};
  letter.message.headers["duly-reason"] = reason.substr(0, limits::kParkReasonBytes);
  letter.message.headers["duly-routing-key"] = letter.message.routing_key;
  letter.message.exchange = topology::kDeadExchange;
  letter.message.routing_key = queue + ".unparseable";
  publish(std::move(letter));
}

void Intake::publish(Letter letter) {
  const PublishTicket ticket = ++last_;
  AmqpMessage message = letter.message;
  letters_.emplace_hint(letters_.end(), ticket, std::move(letter));
  ports_.publish(ticket, std::move(message));
}

void Intake::settled(const SettledPublish& result) {
  auto letter = letters_.extract(result.ticket);
  if (letter.empty()) return;
  if (result.outcome == PublishOutcome::confirmed || DULY_PLANTED("submit.parked")) {
    ports_.acknowledge(letter.mapped().generation, letter.mapped().tag);
  } else {
    // Two of it are possible then, none is not.
    again_.push_back(std::move(letter.mapped()));
    rest();
  }
}

void Intake::publish_again() {
  for (Letter& letter : std::exchange(again_, {})) publish(std::move(letter));
}

void Intake::rest() {
  if (std::exchange(resting_, true)) return;
  loop_.at(loop_.now() + limits::kSubmitRest, [this] {
    resting_ = false;
    publish_again();
    ask_engine();
  });
}

}  // namespace duly
