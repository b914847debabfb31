#include "control-server/ingest/submit_intake.h"

#include <algorithm>
#include <utility>

#include "common/base/log.h"
#include "common/base/planted.h"
#include "common/model/limits.h"
#include "control-server/ingest/submit_message.h"

namespace duly {
namespace {

// Tried again, unlike what is wrong with the message itself.
bool is_for_want_of_room(const Problem& problem) {
  return problem.status == 503 || (problem.status == 507 && !DULY_PLANTED("submit.full"));
}

}  // namespace

SubmitIntake::SubmitIntake(Loop& loop, Ports ports) : loop_(loop), ports_(std::move(ports)) {}

void SubmitIntake::delivered(std::vector<Delivery> deliveries) {
  for (Delivery& delivery : deliveries) take(std::move(delivery));
  ask_engine();
}

void SubmitIntake::take(Delivery delivery) {
  auto command = read_submit_message(delivery.message, to_ms(loop_.wall()));
  if (!command) return park(std::move(delivery), command.error().what);
  if (DULY_PLANTED("submit.commit")) ports_.acknowledge(delivery.generation, delivery.tag);
  waiting_.emplace_hint(waiting_.end(), ++last_, Taken{std::move(delivery), std::move(*command)});
}

void SubmitIntake::consumer_down() {
  // Answers that are still to come find nothing: a command that is stored by then is known by its message id
  // when its message comes again.
  waiting_.clear();
  asked_.clear();
  letters_.clear();
  again_.clear();
}

void SubmitIntake::ask_engine() {
  while (!resting_ && !waiting_.empty()) {
    const auto next = waiting_.begin();
    Submit submit{next->first, "message", {next->second.command}};
    if (!ports_.submit(std::move(submit))) return rest();
    asked_.insert(waiting_.extract(next));
  }
}

void SubmitIntake::answered(const Answer& answer) {
  auto taken = asked_.extract(answer.reply);
  if (taken.empty()) return;
  if (const auto* problem = std::get_if<Problem>(&answer.what)) return refused(std::move(taken), *problem);
  DULY_ASSERT(std::holds_alternative<Submitted>(answer.what));
  const Delivery& delivery = taken.mapped().delivery;
  ports_.acknowledge(delivery.generation, delivery.tag);
}

void SubmitIntake::refused(std::map<ReplyTo, Taken>::node_type taken, const Problem& problem) {
  if (!is_for_want_of_room(problem)) return park(std::move(taken.mapped().delivery), problem.detail);
  waiting_.insert(std::move(taken));
  rest();
}

// ---- what does not become a command
// ----------------------------------------------------------------------------

void SubmitIntake::park(Delivery delivery, const std::string& reason) {
  log(LogLevel::warn, "ingest", "not a command; parked",
      {{"message_id", delivery.message.message_id.substr(0, 64)}, {"reason", reason}});
  Letter letter{delivery.generation, delivery.tag, std::move(delivery.message)};
  letter.message.headers["duly-reason"] = reason.substr(0, limits::kParkReasonBytes);
  letter.message.headers["duly-routing-key"] = letter.message.routing_key;
  letter.message.exchange = topology::kDeadExchange;
  letter.message.routing_key = topology::kSubmitQueue + ".unparseable";
  publish(std::move(letter));
}

void SubmitIntake::publish(Letter letter) {
  const PublishTicket ticket = ++last_;
  AmqpMessage message = letter.message;
  letters_.emplace_hint(letters_.end(), ticket, std::move(letter));
  ports_.publish(ticket, std::move(message));
}

void SubmitIntake::settled(const SettledPublish& result) {
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

void SubmitIntake::publish_again() {
  for (Letter& letter : std::exchange(again_, {})) publish(std::move(letter));
}

void SubmitIntake::rest() {
  if (std::exchange(resting_, true)) return;
  loop_.at(loop_.now() + limits::kSubmitRest, [this] {
    resting_ = false;
    publish_again();
    ask_engine();
  });
}

}  // namespace duly
