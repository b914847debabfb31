/* The lease, hand-over and permit protocol: two agents, one shard, one command, two executors, and a queue that
 * loses, duplicates and reorders.  scripts/model has spin visit every reachable state of it.
 *
 * What one engine transaction does is one atomic step, as in the program.  Whoever is frozen simply takes no step:
 * since nothing here knows the time, every agent and executor may wake at any later moment and go on with what it had
 * in hand.  The queue is a set of messages from which anything may vanish (lost), be delivered and stay (duplicated,
 * redelivered), in any order.
 *
 * Two questions:
 *   safety     (default)      faults without bound; the assertions hold in every state.
 *   progress   (-DPROGRESS)   at most FAULTS faults.  Then there is no cycle at all (pan -l), so every execution stops,
 *                             and none stops before the command has ended (no invalid end state).
 * Each NO_... removes one fence or one detail; scripts/model demands that the model then fails.
 *
 * Beyond the fences below, `result` also compares the executor.  That one is a second wall: without it the model holds,
 * since the permit leaves an attempt to one executor only.
 */
#ifndef ATTEMPTS
#define ATTEMPTS 2
#endif
#ifndef TOKENS
#define TOKENS 2
#endif
#ifndef EPOCHS
#define EPOCHS 3
#endif
#define MESSAGES (ATTEMPTS * TOKENS)
#define NOBODY 7

#ifdef PROGRESS
byte faults = 0;
#define FAULT (faults < FAULTS && state != ended)
#define COUNT_FAULT faults++
#else
#define FAULT true
#define COUNT_FAULT skip
#endif
/* Taking a shard away needs one more epoch to give it to somebody. */
#define CAN_MOVE (FAULT && epoch < EPOCHS)

mtype = { scheduled, queued, running, ended };
#include "fences.pml"

/* ---- on disk: the command's row and the shard's */
mtype state = scheduled;
byte attempt = 0;          /* the last one that got a permit */
byte token = 0;
byte executor = NOBODY;    /* that has the permit out */
byte epoch = 0;
byte last_holder = NOBODY; /* NOBODY also when that incarnation is gone */

/* ---- in the server's memory */
byte holder = NOBODY;
bool handed = false;
bool up[2] = true;         /* agents' sessions */

/* ---- at the agents: what they think they hold, and two commands in hand each */
#define FREE 0
#define HAND 1             /* to be published */
#define SENT 2             /* confirmed by the broker, to be marked */
byte held_epoch[2];
byte stage[4];
byte of_attempt[4];
byte of_token[4];
byte of_epoch[4];

/* ---- in the broker: (attempt, token) */
#define MESSAGE(a, t) (((a) - 1) * TOKENS + (t))
#define ATTEMPT_OF(m) ((m) / TOKENS + 1)
#define TOKEN_OF(m) ((m) % TOKENS)
bool message[MESSAGES];
byte messages = 0;

/* ---- at the executors: a permit whose "go" is late or lost, and a handler for each attempt */
byte asked[2];             /* of this attempt; 0 = none */
byte asked_token[2];
#define WORK(e, a) work[(e) * ATTEMPTS + (a) - 1]
bool work[2 * ATTEMPTS];   /* running, or ended and not yet acknowledged */

/* ---- what really happened, known to nobody inside */
byte owner = NOBODY;       /* of the present epoch */
bool ran[ATTEMPTS + 1];

/* ============================================================ the server's transactions */

/* What is in hand stands in the order it came, and what is free carries nothing: so states that differ in nothing
 * that matters are one. */
inline copy(to, from) {
  stage[to] = stage[from];
  of_attempt[to] = of_attempt[from];
  of_token[to] = of_token[from];
  of_epoch[to] = of_epoch[from]
}

inline free(s) {
  if :: (s) % 2 == 0 -> copy(s, (s) + 1) :: else fi;
  stage[(s) / 2 * 2 + 1] = FREE;
  of_attempt[(s) / 2 * 2 + 1] = 0;
  of_token[(s) / 2 * 2 + 1] = 0;
  of_epoch[(s) / 2 * 2 + 1] = 0
}

/* What was handed out is forgotten with the holding. */
inline take_shard() {
  holder = NOBODY;
#ifndef NO_FORGET
  handed = false
#endif
}

inline own(a) {
  assert(owner == NOBODY || owner == a);  /* no two holders of one epoch */
  owner = a;
  holder = a;
  last_holder = a;
  held_epoch[a] = epoch
}

/* A lease under a new epoch: the agent drops what it had under another. */
inline grant(a) {
#ifdef NO_EPOCH
  if :: epoch == 0 -> epoch = 1 :: else fi;
#else
  epoch++;
  owner = NOBODY;
#endif
  own(a);
  drop_old(a)
}

#define OLD(s) (stage[s] == HAND && of_epoch[s] != held_epoch[(s) / 2])

inline drop_old(a) {
  if :: OLD((a) * 2 + 1) -> free((a) * 2 + 1) :: else fi;
  if :: OLD((a) * 2) -> free((a) * 2) :: else fi
}

#define IN_HAND(s) (LISTED(s) && state == scheduled && of_attempt[s] == attempt + 1)

/* A returning agent names its holding and what it has in hand. */
inline hello(a) {
  up[a] = true;
  if
  :: MAY_RECLAIM(a) ->
     own(a);
     if :: IN_HAND(a * 2) || IN_HAND(a * 2 + 1) -> handed = true :: else fi
  :: else -> held_epoch[a] = 0
  fi;
  drop_old(a)
}

inline hand_out(s) {
  stage[s] = HAND;
  of_attempt[s] = attempt + 1;
  of_token[s] = token;
  of_epoch[s] = epoch;
  handed = true
}

inline mark(s) {
  if
  :: MARK_IS_FRESH(s) ->
     handed = false;
     if
     :: (state == scheduled || state == queued) && MARK_ATTEMPT(s) && MARK_TOKEN(s) ->
        assert(holder == (s) / 2 && owner == holder && of_epoch[s] == epoch);  /* not by a former holder */
        assert(of_attempt[s] == attempt + 1 && of_token[s] == token);          /* what `queued` says is true */
        state = queued
     :: else
     fi
  :: else
  fi
}

/* A delivery asks for the first time.  Refused, it is dropped; that needs no state of its own. */
inline begin(e, m) {
  if
  :: SAME_DELIVERY(e, m) -> go(e, m)
  :: !SAME_DELIVERY(e, m) && NOT_PERMITTED(m) && TOKEN_FITS(m) ->
     assert(TOKEN_OF(m) == token);  /* never by a message from before a reschedule */
     attempt = ATTEMPT_OF(m);
     state = running;
     executor = e;
     handed = false;
     go(e, m)
  :: else -> settle(m)
  fi
}

/* The answer arrives and the handler starts, or that comes later. */
inline go(e, m) {
  if
  :: start(e, ATTEMPT_OF(m)); settle(m)
  :: FAULT -> COUNT_FAULT; asked[e] = ATTEMPT_OF(m); asked_token[e] = TOKEN_OF(m)
  fi
}

inline start(e, a) {
  assert(!ran[a]);  /* at most one run of each attempt */
  ran[a] = true;
  WORK(e, a) = true
}

/* Acknowledged to the broker, which may lose that. */
inline settle(m) {
  if :: remove(m) :: FAULT -> COUNT_FAULT fi
}

inline forget_asked(e) {
  asked[e] = 0;
  asked_token[e] = 0
}

/* The answer comes after all, whatever has happened meanwhile. */
inline late_go(e) {
  start(e, asked[e]);
  settle(MESSAGE(asked[e], asked_token[e]));
  forget_asked(e)
}

/* The same delivery asks again, with its nonce: the answer was lost, not the permit. */
inline begin_again(e) {
  if
  :: state == running && executor == e && attempt == asked[e] -> start(e, asked[e])
  :: else
  fi;
  settle(MESSAGE(asked[e], asked_token[e]));
  forget_asked(e)
}

inline attempt_failed() {
  executor = NOBODY;
  if :: attempt < ATTEMPTS -> state = scheduled :: else -> state = ended fi
}

inline result(e, a) {
  if
  :: RESULT_IS_FRESH(e, a) ->
     assert(attempt == a);  /* the end agrees with what ran */
     if :: state = ended :: attempt_failed() fi
  :: else
  fi
}

/* ============================================================ who acts */

#ifdef PROGRESS
#define UNTIL_ENDED :: state == ended -> break
#else
#define UNTIL_ENDED
#endif

inline publish(s) {
  atomic { stage[s] == HAND ->
    stage[s] = SENT;
    put(MESSAGE(of_attempt[s], of_token[s])) }
}

inline put(m) {
  if :: !message[m] -> message[m] = true; messages++ :: else fi
}

inline remove(m) {
  if :: message[m] -> message[m] = false; messages-- :: else fi
}

/* No confirm came: the message may be there or not. */
inline in_doubt(s) {
  atomic { FAULT && stage[s] == HAND -> COUNT_FAULT;
    if :: put(MESSAGE(of_attempt[s], of_token[s])) :: skip fi;
    if :: holder == (s) / 2 && epoch == of_epoch[s] -> handed = false :: else fi;
    free(s) }
}

/* A mark is sent again until it is acknowledged. */
inline say_mark(s) {
  atomic { up[(s) / 2] && stage[s] == SENT -> mark(s);
    if :: free(s) :: FAULT -> COUNT_FAULT fi }
}

/* Frozen with a lease that is gone, an agent may still publish; awake, it drops what it may not. */
inline forget(s) {
  atomic { OLD(s) -> free(s) }
}

inline agent_crash(a) {
  up[a] = false;
  held_epoch[a] = 0;
  free((a) * 2 + 1);
  free((a) * 2);
  if :: last_holder == a -> last_holder = NOBODY :: else fi;
  if :: holder == a -> take_shard() :: else fi
}

proctype Agent(byte a) {
end:
  do
  :: publish(a * 2)
  :: publish(a * 2 + 1)
  :: in_doubt(a * 2)
  :: in_doubt(a * 2 + 1)
  :: say_mark(a * 2)
  :: say_mark(a * 2 + 1)
  :: forget(a * 2)
  :: forget(a * 2 + 1)
  :: atomic { !up[a] -> hello(a) }
  :: atomic { CAN_MOVE && up[a] -> COUNT_FAULT;  /* silence, or a broken connection */
       up[a] = false; if :: holder == a -> take_shard() :: else fi }
  :: atomic { CAN_MOVE && up[a] -> COUNT_FAULT; agent_crash(a) }
  :: atomic { CAN_MOVE && holder == a -> COUNT_FAULT; take_shard() }  /* moved, and overruled */
  UNTIL_ENDED
  od
}

inline deliver(e, m) {
  atomic { asked[e] == 0 && message[m] -> begin(e, m) }
}

inline report(e, a) {
  atomic { WORK(e, a) -> result(e, a);
    if :: WORK(e, a) = false :: FAULT -> COUNT_FAULT fi }
}

inline executor_crash(e) {
  forget_asked(e);
  WORK(e, 1) = false;
  WORK(e, ATTEMPTS) = false;
  if :: executor == e -> executor = NOBODY :: else fi  /* its next incarnation is somebody else */
}

proctype Executor(byte e) {
end:
  do
  :: deliver(e, 0)
#if MESSAGES > 1
  :: deliver(e, 1)
#endif
#if MESSAGES > 2
  :: deliver(e, 2)
  :: deliver(e, 3)
#endif
  :: atomic { asked[e] != 0 -> late_go(e) }
  :: atomic { asked[e] != 0 -> begin_again(e) }
  :: report(e, 1)
#if ATTEMPTS > 1
  :: report(e, 2)
#endif
  :: atomic { FAULT && (asked[e] != 0 || WORK(e, 1) || WORK(e, ATTEMPTS)) ->
       COUNT_FAULT; executor_crash(e) }
  UNTIL_ENDED
  od
}

#define HAS_ROOM(a) (stage[(a) * 2 + 1] == FREE)

inline hand_out_to(a) {
  if :: stage[(a) * 2] == FREE -> hand_out((a) * 2) :: else -> hand_out((a) * 2 + 1) fi
}

proctype Server() {
#ifndef PROGRESS
end:
#endif
  do
  :: atomic { holder == NOBODY && up[0] && epoch < EPOCHS && state != ended -> grant(0) }
  :: atomic { holder == NOBODY && up[1] && epoch < EPOCHS && state != ended && epoch > 0 -> grant(1) }
  :: atomic { holder == 0 && !handed && NEEDS_HAND_OUT && HAS_ROOM(0) -> hand_out_to(0) }
  :: atomic { holder == 1 && !handed && NEEDS_HAND_OUT && HAS_ROOM(1) -> hand_out_to(1) }
  :: atomic { state == running -> attempt_failed() }  /* its executor is gone, or seems to be */
  :: atomic { state == scheduled && token < TOKENS - 1 -> token++; handed = false }  /* rescheduled by hand */
  UNTIL_ENDED
  od
}

inline lose(m) {
  atomic { FAULT && message[m] -> COUNT_FAULT; remove(m) }
}

proctype Broker() {
end:
  do
  :: lose(0)
#if MESSAGES > 1
  :: lose(1)
#endif
#if MESSAGES > 2
  :: lose(2)
  :: lose(3)
#endif
  UNTIL_ENDED
  od
}

init { atomic { run Agent(0); run Agent(1); run Executor(0); run Executor(1); run Server(); run Broker() } }
