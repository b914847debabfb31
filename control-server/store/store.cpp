// Opening, migrating, the transaction, names and counters.
#include "control-server/store/store.h"

#include <algorithm>

#include "common/base/planted.h"
#include "control-server/store/database.h"
#include "control-server/store/schema.h"

namespace duly {
namespace {

constexpr int kKindQueue = 1;
constexpr int kKindType = 2;

}  // namespace

Store::Store(std::unique_ptr<Database> database) : database_(std::move(database)) {}
Store::~Store() = default;

Result<std::unique_ptr<Store>> Store::open(const StoreOptions& options) {
  auto database = Database::open(options.path, options.vfs, Database::Role::writer);
  if (!database) return database.error();
  std::unique_ptr<Store> store(new Store(std::move(*database)));
  if (const Status migrated = store->migrate(); !migrated) return migrated.error();
  if (const Status loaded = store->load(options); !loaded) return loaded.error();
  return store;
}

Status Store::migrate() {
  std::int64_t version = 0;
  {
    Sql query = database_->query("PRAGMA user_version");
    if (query.next()) version = query.integer(0);
  }
  const auto newest = static_cast<std::int64_t>(kMigrations.size());
  if (version > newest) {
    return Error{Errc::fatal, "the store has schema version " + std::to_string(version) +
                                  ", newer than this program's " + std::to_string(newest)};
  }
  for (; version < newest; ++version) {
    database_->begin();
    if (const Status made = database_->execute(kMigrations[static_cast<std::size_t>(version)]); !made)
      return made;
    const std::string stamp = "PRAGMA user_version=" + std::to_string(version + 1);
    if (const Status stamped = database_->execute(stamp); !stamped) return stamped;
    if (const Status committed = database_->commit(); !committed) return committed;
  }
  return ok_status();
}

Status Store::load(const StoreOptions& options) {
  shards_ = static_cast<int>(meta("shards", 0));
  if (shards_ == 0) {
    shards_ = options.shards;
    set_meta("shards", shards_);
    set_meta("generation", 1);
  } else if (options.shards_given && options.shards != shards_) {
    return Error{Errc::fatal, "--shards " + std::to_string(options.shards) + ": this store was made with " +
                                  std::to_string(shards_) + " shards, which cannot be changed"};
  }
  generation_ = meta("generation", 1);
  // Recovery may have brought back a transaction whose sync had failed.  Nobody may be told of it before it
  // is on disk, also not by an answer that needs no commit of its own: so every start begins with a synced
  // commit.
  if (!DULY_PLANTED("store.starts")) set_meta("starts", meta("starts", 0) + 1);
  load_names();
  load_counters();
  return commit();
}

std::int64_t Store::meta(const char* name, std::int64_t otherwise) {
  const std::string key = name;
  Sql query = database_->query("SELECT value FROM meta WHERE name = ?");
  return query.bind(key).next() ? query.integer(0) : otherwise;
}

void Store::set_meta(const char* name, std::int64_t value) {
  database_->begin();
  database_
      ->query(
          "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = "
          "excluded.value")
      .bind(std::string(name))
      .bind(value)
      .run();
}

void Store::load_names() {
  queues_.clear();
  types_.clear();
  queue_names_.clear();
  Sql query = database_->query("SELECT number, kind, text FROM name");
  while (query.next()) {
    const auto number = static_cast<std::int32_t>(query.integer(0));
    if (query.integer(1) == kKindQueue) {
      queues_.emplace(query.text(2), number);
      queue_names_.emplace(number, query.text(2));
    } else {
      types_.emplace(query.text(2), number);
    }
  }
}

void Store::load_counters() {
  counters_.clear();
  changed_.clear();
  by_state_ = {};
  by_queue_.clear();
  Sql query = database_->query("SELECT queue, type, state, count FROM counter");
  while (query.next()) {
    const auto state = static_cast<State>(query.integer(2));
    const auto queue = static_cast<QueueNumber>(query.integer(0));
    counters_[{queue, static_cast<TypeNumber>(query.integer(1)), state}] = query.integer(3);
    by_state_[static_cast<std::size_t>(state)] += query.integer(3);
    by_queue_[{queue, state}] += query.integer(3);
  }
}

// ---- transaction
// -----------------------------------------------------------------------------------------------

Status Store::commit() {
  const bool flush_later = DULY_PLANTED("counters.together") && changed_.size() % 2 == 0;
  if (!flush_later) flush_counters();
  const Status committed = database_->commit();
  if (!committed) rollback();
  if (!committed || !flush_later) changed_.clear();
  return committed;
}

void Store::rollback() {
  database_->rollback();
  changes_ = {};
  if (!DULY_PLANTED("store.live-rows")) live_.clear();
  if (database_->failed()) return;
  load_names();
  load_counters();
}

bool Store::failed() const { return database_->failed(); }

void Store::checkpoint_if_beyond(std::int64_t pages) {
  if (database_->wal_pages() > pages) database_->checkpoint();
}

std::int64_t Store::wal_pages() const { return database_->wal_pages(); }

// ---- names
// -----------------------------------------------------------------------------------------------------

std::int32_t Store::name_number(int kind, const std::string& text,
                                std::map<std::string, std::int32_t>& known) {
  const auto at = known.find(text);
  if (at != known.end()) return at->second;
  database_->begin();
  database_->query("INSERT INTO name (kind, text) VALUES (?, ?)").bind(kind).bind(text).run();
  Sql query = database_->query("SELECT number FROM name WHERE kind = ? AND text = ?");
  const auto number = static_cast<std::int32_t>(query.bind(kind).bind(text).next() ? query.integer(0) : 0);
  known.emplace(text, number);
  changes_.names.emplace_back(number, text);
  return number;
}

NumberedNames Store::names() const {
  NumberedNames all(queue_names_.begin(), queue_names_.end());
  for (const auto& [name, number] : types_) all.emplace_back(number, name);
  return all;
}

QueueNumber Store::queue_number(const std::string& name) {
  const auto number = name_number(kKindQueue, name, queues_);
  queue_names_.emplace(number, name);
  return number;
}

TypeNumber Store::type_number(const std::string& name) { return name_number(kKindType, name, types_); }

PartyNumber Store::party_number(const std::string& name, Incarnation incarnation) {
  database_->begin();
  const auto bits = static_cast<std::int64_t>(incarnation.value);
  database_->query("INSERT OR IGNORE INTO party (name, incarnation) VALUES (?, ?)")
      .bind(name)
      .bind(bits)
      .run();
  Sql query = database_->query("SELECT number FROM party WHERE name = ? AND incarnation = ?");
  return static_cast<PartyNumber>(query.bind(name).bind(bits).next() ? query.integer(0) : 0);
}

std::optional<std::pair<std::string, Incarnation>> Store::party(PartyNumber number) {
  Sql query = database_->query("SELECT name, incarnation FROM party WHERE number = ?");
  if (!query.bind(number).next()) return std::nullopt;
  return std::pair{query.text(0), Incarnation{static_cast<std::uint64_t>(query.integer(1))}};
}

const std::string& Store::queue_name(QueueNumber number) const {
  static const std::string kUnknown;
  const auto at = queue_names_.find(number);
  return at == queue_names_.end() ? kUnknown : at->second;
}

std::optional<QueueNumber> Store::find_queue(const std::string& name) const {
  const auto at = queues_.find(name);
  if (at == queues_.end()) return std::nullopt;
  return at->second;
}

std::optional<TypeNumber> Store::find_type(const std::string& name) const {
  const auto at = types_.find(name);
  if (at == types_.end()) return std::nullopt;
  return at->second;
}

// ---- counters
// --------------------------------------------------------------------------------------------------

void Store::add_count(const StateRow& row, State state, std::int64_t by) {
  if (DULY_PLANTED("counters.moves") && state == State::cancelled) return;
  const CounterKey key{row.queue, row.type, state};
  changed_[key] = counters_[key] += by;
  by_state_[static_cast<std::size_t>(state)] += by;
  by_queue_[{row.queue, state}] += by;
}

void Store::flush_counters() {
  for (const auto& [key, count] : changed_) {
    database_
        ->query(
            "INSERT INTO counter (queue, type, state, count) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (queue, type, state) DO UPDATE SET count = excluded.count")
        .bind(std::get<0>(key))
        .bind(std::get<1>(key))
        .bind(static_cast<std::int64_t>(std::get<2>(key)))
        .bind(count)
        .run();
  }
}

std::int64_t Store::count(QueueNumber queue, State state) const {
  const auto at = by_queue_.find({queue, state});
  return at == by_queue_.end() ? 0 : at->second;
}

bool Store::counters_agree() {
  std::map<CounterKey, std::int64_t> counted;
  Sql query = database_->query("SELECT queue, type, state, count(*) FROM state GROUP BY queue, type, state");
  while (query.next()) {
    counted[{static_cast<QueueNumber>(query.integer(0)), static_cast<TypeNumber>(query.integer(1)),
             static_cast<State>(query.integer(2))}] = query.integer(3);
  }
  std::map<CounterKey, std::int64_t> kept;
  for (const auto& [key, count] : counters_) {
    if (count != 0) kept[key] = count;
  }
  return counted == kept;
}

bool Store::memory_agrees() {
  const std::vector<CommandId> ids = live_.ids();
  return std::all_of(ids.begin(), ids.end(), [this](CommandId id) {
    const auto terms = live_.terms(id);
    return read_row(id) == live_.find(id) && (!terms || read_terms(id) == terms);
  });
}

std::vector<std::string> Store::scans() { return database_->scans(); }

std::int64_t Store::steps() const { return database_->steps(); }

std::string Store::integrity() {
  Sql query = database_->query("PRAGMA integrity_check(5)");
  return query.next() ? query.text(0) : "integrity_check did not answer";
}

}  // namespace duly
