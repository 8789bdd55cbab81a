/*
 * Lock, lease and commit of the file driver (formats.md, "A commit"), for spin.
 *
 * One device, lent as a lease; WRITERS processes that each give COMMANDS commands (request,
 * release, extend, look), one after the other; readers without the lock; and an environment. What
 * a step of a writer is here is one system call there, or what lies between two. What holds:
 *
 *   exclusive grants     nobody is granted the device while one who was told so still has it,
 *                        by the ledger's own rule: to its end, by the clock under the lock
 *   nothing is lost      whoever reads, with the lock or without, finds every change that was
 *                        acknowledged before, or one that came after it
 *   nothing comes back   a lease of which an acknowledged change said that it ended is in no state
 *                        again; an extension finds it living; tokens rise
 *
 * whatever the environment does, as far as -D lets it: KILLS writers die between any two steps; the
 * clock goes forward, and BACK times back, by any distance; the lock file is deleted and made anew
 * (LOCK_FILES) while nobody holds it; DAMAGE: the state file is made unreadable or removed, at any
 * moment, by somebody else; CUT: the power fails, and what was not synced is there or not.
 *
 * Not covered: damage and a power cut together, where the loss is one that is announced; several
 * devices, several records in one commit, queues; generations but the newest; events moved to
 * history.jsonl; quiet renewals; what a reader without the lock concludes from its own clock; a
 * lock file that is deleted while it is held, which a writer notices but for the moment between its
 * last look and its rename; file systems on which rename is not atomic.
 *
 * Mistakes that must be found: NO_LOCK_RECHECK, ACK_BEFORE_RENAME, EXPIRY_BY_STALE_CLOCK,
 * NO_DIRECTORY_FSYNC, NO_FSYNC, RECOVERY_WITHOUT_EVENTS.
 */
#ifndef WRITERS
#define WRITERS 2
#endif
#ifndef COMMANDS
#define COMMANDS 2
#endif
#ifndef KILLS
#define KILLS 0
#endif
#ifndef BACK
#define BACK 0
#endif
#ifndef LOCK_FILES
#define LOCK_FILES 1
#endif
#ifndef TIME_MAX
#define TIME_MAX 2
#endif
#define SLACK 1  /* a clock so little behind the state's time stamp is taken for that */
#define LEASE 1

/* A state: revision, token of the lease (0: none), its end, time stamp, and which file it is. */
#define STATE(rev, token, end, stamp, inode)                                                       \
    ((rev) | (token) << 4 | (end) << 8 | (stamp) << 12 | (inode) << 16)
#define REVISION(state) ((state) & 15)
#define TOKEN(state) ((state) >> 4 & 15)
#define END(state) ((state) >> 8 & 15)
#define STAMP(state) ((state) >> 12 & 15)
#define LATER(a, b) ((a) > (b) -> (a) : (b))
#define HAS(set, token) ((set) >> (token) & 1)
#define UNREADABLE 0

/* On disk, as everybody sees it; `durable` is what the name stands for after a power cut if what
 * came since is lost. */
int file = STATE(2, 0, 0, 0, 2), durable = STATE(2, 0, 0, 0, 2);
int generation = STATE(1, 0, 0, 0, 1), hint = STATE(2, 0, 0, 0, 2);
byte note = 2, inodes = 3;
bool contents_synced = true;
byte lock_file = 0, lock[LOCK_FILES] = 0; /* who holds each, from 1 */
byte clock = 0;
bool killed[WRITERS] = false;
byte kills = KILLS;

/* What was said: the highest revision and token, which leases ended, who has one until when.
 * `gone`: ended by a commit, whether or not that was acknowledged. */
byte told = 2, top_token = 0;
short ended = 0, gone = 0;
byte had[WRITERS] = 0, had_until[WRITERS] = 0;

mtype = { request, release, extend, look };

/* What must hold of a state that was read under the lock. */
inline check_read(state)
{
    assert(REVISION(state) >= told);
    assert(!HAS(ended, TOKEN(state)));
    i = 0;
    do
    :: i < WRITERS ->
        assert(had[i] == 0 || HAS(gone, had[i]) || TOKEN(state) == had[i]);
        i++
    :: else -> break
    od;
    i = 0
}

/* And of a commit, at its rename. */
inline check_commit()
{
    assert(REVISION(base) >= told);
    if
    :: command == request ->
        assert(REVISION(next) > top_token);
        i = 0;
        do
        :: i < WRITERS ->
            assert(had[i] == 0 || HAS(gone, had[i]) || had_until[i] <= now_locked);
            i++
        :: else -> break
        od;
        i = 0
    :: command == extend ->
        assert(END(base) > now_locked && !HAS(ended, TOKEN(base)))
    :: else
    fi
}

inline acknowledge()
{
    told = LATER(told, REVISION(next));
    ended = ended | ends;
    if
    :: command == request ->
        had[me] = TOKEN(next);
        had_until[me] = END(next);
        top_token = LATER(top_token, TOKEN(next))
    :: command == extend && had[me] == TOKEN(next) -> had_until[me] = END(next)
    :: else
    fi
}

/* The newest generation, brought forward by the events since, with a revision above all known. */
inline recover()
{
    d_step {
        next = generation;
#ifndef RECOVERY_WITHOUT_EVENTS
        if
        :: REVISION(hint) > REVISION(next) -> next = hint
        :: else
        fi;
#endif
        i = LATER(LATER(REVISION(generation), REVISION(hint)), note) + 1;
        next = STATE(i, TOKEN(next), END(next), LATER(clock, STAMP(next)), inodes);
        i = 0;
        inodes++
    }
    file = next;
    d_step { durable = next; contents_synced = true }
    hint = next;
    note = REVISION(next);
    base = next
}

/* The ledger's clock: the later of clock and time stamp if they are close. */
inline find_time()
{
    now_locked = (clock < STAMP(base) && STAMP(base) - clock <= SLACK -> STAMP(base) : clock);
#ifndef EXPIRY_BY_STALE_CLOCK
    now = now_locked
#endif
}

/* Settles, decides: `next`; the same as `base`: refused, or nothing to do. */
inline decide()
{
    token = TOKEN(base);
    end = END(base);
    ends = 0;
    if
    :: token && end <= now -> ends = 1 << token; token = 0; end = 0
    :: else
    fi;
    next = base;
    if
    :: command == request && token == 0 ->
        token = LATER(REVISION(base), note) + 1;
        end = now + LEASE;
        next = STATE(token, token, end, now, inodes)
    :: command == extend && token && token == wanted ->
        end = end + LEASE;
        next = STATE(LATER(REVISION(base), note) + 1, token, end, now, inodes)
    :: command == release && token && token == wanted ->
        ends = ends | 1 << token;
        next = STATE(LATER(REVISION(base), note) + 1, 0, 0, now, inodes)
    :: else -> command = look;
        if /* what has ended is written in any case */
        :: ends -> next = STATE(LATER(REVISION(base), note) + 1, 0, 0, now, inodes)
        :: else
        fi
    fi;
    if
    :: next != base -> inodes++
    :: else
    fi;
    token = 0;
    end = 0
}

#ifdef NO_LOCK_RECHECK
#define SAME_LOCK true
#else
#define SAME_LOCK (mine == lock_file)
#endif
#define ALONE (SAME_LOCK && (file == base || file == UNREADABLE))

inline forget()
{
    d_step {
        base = 0; next = 0; now = 0; now_locked = 0; mine = 0; ends = 0; wanted = 0;
        synced = false; i = 0; token = 0; end = 0; command = look
    }
}

inline unlock()
{
    if
    :: lock[mine] == me + 1 -> lock[mine] = 0
    :: else
    fi
}

proctype writer(byte me)
{
    int base, next;
    byte left = COMMANDS, now, now_locked, mine, wanted, i, token, end;
    short ends;
    bool synced;
    mtype command = look;
    do
    :: left > 0 ->
        left--;
        if
        :: command = request
        :: command = look
        :: had[me] -> command = extend; wanted = had[me]
        :: d_step { /* who gives it up does not have it any more, whatever comes */
               had[me] -> command = release; wanted = had[me]; had[me] = 0; had_until[me] = 0
           }
        fi;
again:  {
#ifdef EXPIRY_BY_STALE_CLOCK
            now = clock;
#endif
            mine = lock_file; /* open */
            atomic { lock[mine] == 0 -> lock[mine] = me + 1 }
            if
            :: SAME_LOCK
            :: else -> unlock(); goto again
            fi;
            base = file;
            if
            :: base == UNREADABLE -> recover()
            :: else
            fi;
            d_step { check_read(base); find_time(); decide() }
            if
            :: next == base -> unlock(); goto done
            :: else
            fi;
            /* the temporary file is written here; nobody else knows its name */
#ifndef NO_FSYNC
            synced = true;
#endif
            if
            :: ALONE
            :: else -> unlock(); goto again
            fi;
            generation = base;
            if
            :: ALONE
            :: else -> unlock(); goto again
            fi;
#ifdef ACK_BEFORE_RENAME
            d_step { acknowledge() }
#endif
            d_step {
                check_commit();
                file = next;
                gone = gone | ends;
                contents_synced = synced
            }
#ifndef NO_DIRECTORY_FSYNC
            durable = file;
#endif
            hint = next;
            note = REVISION(next);
            d_step {
                unlock();
#ifndef ACK_BEFORE_RENAME
                acknowledge()
#endif
            }
done:       skip
        } unless {
            atomic { killed[me] -> unlock(); killed[me] = false }
        }
        forget()
    :: else -> break
    od
}

proctype environment()
{
    byte back = BACK;
    bool may_damage, may_cut;
#ifdef DAMAGE
    may_damage = true;
#endif
#ifdef CUT
    may_cut = true;
#endif
end:
    do
    :: d_step { /* a reader without the lock; what it cannot read, it reads again with the lock */
           file != UNREADABLE -> assert(REVISION(file) >= told && !HAS(ended, TOKEN(file)))
       }
    :: atomic { clock < TIME_MAX -> clock++ }
    :: atomic {
           back > 0 && clock > 0 -> back--; clock--;
           do
           :: clock > 0 -> clock--
           :: break
           od
       }
    :: atomic { kills > 0 && !killed[0] -> kills--; killed[0] = true }
    :: atomic { kills > 0 && !killed[1] -> kills--; killed[1] = true }
    :: atomic { lock_file + 1 < LOCK_FILES && lock[lock_file] == 0 -> lock_file++ }
    :: atomic { may_damage -> may_damage = false; file = UNREADABLE }
    :: atomic {
           may_cut -> may_cut = false;
           killed[0] = true;
           killed[1] = true;
           lock[lock_file] = 0;
           if
           :: !contents_synced -> file = UNREADABLE
           :: file = durable
           :: skip
           fi;
           durable = file;
           contents_synced = true;
           if
           :: hint = UNREADABLE; note = 0
           :: generation = UNREADABLE
           :: skip
           fi
       }
    od
}

init
{
    atomic { run writer(0); run writer(1); run environment() }
}
