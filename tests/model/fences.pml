/* Every fence as one condition, and what is left of it when it is removed (see duly.pml). */

/* hello: what is in hand is listed under the present holding only */
#ifdef NO_HELLO_EPOCH
#define LISTED(s) (stage[s] != FREE)
#else
#define LISTED(s) (stage[s] != FREE && of_epoch[s] == held_epoch[(s) / 2])
#endif

/* hello: a shard goes back to its last holder under its last epoch only */
#ifdef NO_RECLAIM_CHECK
#define MAY_RECLAIM(a) (held_epoch[a] != 0 && holder == NOBODY)
#else
#define MAY_RECLAIM(a) (held_epoch[a] != 0 && holder == NOBODY && last_holder == a && held_epoch[a] == epoch)
#endif

/* mark: by the holder, under the present epoch */
#ifdef NO_FENCE_MARK
#define MARK_IS_FRESH(s) true
#else
#define MARK_IS_FRESH(s) (holder == (s) / 2 && epoch == of_epoch[s])
#endif

/* mark: of the attempt to come */
#ifdef NO_MARK_ATTEMPT
#define MARK_ATTEMPT(s) (attempt < ATTEMPTS)
#else
#define MARK_ATTEMPT(s) (of_attempt[s] == attempt + 1)
#endif

/* mark: of the message that is wanted now */
#ifdef NO_MARK_TOKEN
#define MARK_TOKEN(s) true
#else
#define MARK_TOKEN(s) (of_token[s] == token)
#endif

/* permit: once for each attempt */
#ifdef NO_FENCE_PERMIT
#define NOT_PERMITTED(m) (state != ended)
#else
#define NOT_PERMITTED(m) ((state == scheduled || state == queued) && ATTEMPT_OF(m) == attempt + 1)
#endif

/* permit: by the message that is wanted now */
#ifdef NO_TOKEN
#define TOKEN_FITS(m) true
#else
#define TOKEN_FITS(m) (TOKEN_OF(m) == token)
#endif

/* permit: asking again is for the same delivery only */
#ifdef NO_NONCE
#define SAME_DELIVERY(e, m) (state == running && executor == e && attempt == ATTEMPT_OF(m))
#else
#define SAME_DELIVERY(e, m) false
#endif

/* result: of the permit that is out */
#ifdef NO_FENCE_RESULT
#define RESULT_IS_FRESH(e, a) (state == running)
#elif defined(NO_RESULT_ATTEMPT)
#define RESULT_IS_FRESH(e, a) (state == running && executor == e)
#else
#define RESULT_IS_FRESH(e, a) (state == running && executor == e && attempt == a)
#endif

/* lost in the broker is published again */
#ifdef NO_REPUBLISH
#define NEEDS_HAND_OUT (state == scheduled)
#else
#define NEEDS_HAND_OUT (state == scheduled || (state == queued && messages == 0))
#endif
