"""The native part of threads: a call is shared with workers that spin, or sleep, in native code.

A worker that has done its share looks for the next one for a while, since calls often come one
after the other, and then sleeps. To hand a share to one who looks takes some tenths of a
microsecond, to wake one who sleeps ten to a hundred times as long. So a call asks first who is
there. One that is long enough wakes sleepers for that, and waits for them a little. Then it is
divided among those who have answered: nobody waits for a worker who sleeps deeply, or whose
processor another process has. Where short calls come often, they wake sleepers for the next one.

Caller and worker meet in one word for each worker, its state:

    ASLEEP ──caller──▶ READY, CALLED       READY  ──worker──▶ ASLEEP, having looked for long
    READY  ──caller──▶ CALLED              CALLED ──worker──▶ HERE
    CALLED ──caller──▶ READY, not in time  SHARE  ──worker──▶ READY, done
    HERE   ──caller──▶ SHARE

All else is the caller's, as long as the word BUSY says so. A call is over when no worker is in a
share any more, so its code and memory may go as soon as it returns.

Sleep is a lock of Python's (``PyThread_acquire_lock``), which needs nothing else of Python: a
worker never returns there, and nothing is left for it to do when the process ends.
"""

from __future__ import annotations

import os

# Words of the board, by their numbers. What different threads write to is on lines of its own.
COUNTER, TURN = 0, 16  # of the barrier
BUSY = 32
FUNCTION, TABLE, COUNT, THREADS = 48, 49, 50, 51  # the call that workers have shares of
ALONE, SOON = 56, 57  # calls since sleepers were woken for the next, and after how many they are
CHOSEN, PROCESSORS, BEGUN, ACQUIRE, RELEASE = 64, 65, 66, 67, 68  # written by threads.Pool
TICKETS, STARTED = 80, 81  # workers that are here, and those that can be called
LINE = 16  # worker k has the words from FIRST + k · LINE on, and uses these:
STATE, NUMBER, LOCK = 0, 1, 2
FIRST = 96 - LINE  # the caller is thread 0
MOST = 64  # threads
SIZE = FIRST + MOST * LINE

ASLEEP, READY, CALLED, HERE, SHARE = range(5)  # states

SPINS = 300  # turns of waiting before the processor is offered to others, for it may be shared
PATIENCE = 900  # turns that a worker looks for a share: about a fifth of a millisecond
ANSWER = 100  # turns in which one answers who looks and has a processor: a few microseconds
OFTEN, SELDOM = 2, 1024  # calls until sleepers are woken for the next: at first, and if in vain

# What tells the processor that somebody waits, by the architecture.
PAUSES = {
    **dict.fromkeys(["x86_64", "i386", "i686"], "@llvm.x86.sse2.pause()"),
    **dict.fromkeys(["aarch64", "arm64"], "@llvm.aarch64.hint(i32 1)"),  # yield
}


def source(triple: str) -> str:
    """The functions of the workers in LLVM's language.

    - ``void serve(board, lock)`` is a worker. Its lock is its own, and closed.
    - ``void run(board, function, table, count, awake, asleep, turns)`` calls function(table,
      thread, threads, board, count) in some threads and returns when all are done: in up to
      ``awake`` if they look for work, and of those that sleep in up to ``asleep``, for which it
      waits for so many turns. Where another call has the workers, it is the only thread.

    Args:
        triple: the processor.
    """
    pause = PAUSES.get(triple.partition("-")[0])
    offer = "@sched_yield()" if os.name == "posix" else None
    declared = [f"declare void {pause.replace(' 1', '')}"] if pause else []
    declared += [f"declare i32 {offer}"] if offer else []
    return _TEXT.format(
        triple=triple,
        declarations="\n".join(declared),
        pause=f"call void {pause}" if pause else "",
        offer=f"call i32 {offer}" if offer else "",
        **{name: x for name, x in globals().items() if name.isupper() and type(x) is int},
    )


_TEXT = """
target triple = "{triple}"
declare i64 @llvm.smin.i64(i64, i64)
{declarations}

; A turn of waiting for what another thread is to write.
define internal void @rest(i64 %turn) {{
  {pause}
  %long = icmp sge i64 %turn, {SPINS}
  br i1 %long, label %offer, label %out
offer:
  {offer}
  br label %out
out:
  ret void
}}

define void @serve(ptr %board, ptr %lock) {{
begin:
  %tickets = getelementptr i64, ptr %board, i64 {TICKETS}
  %ticket = atomicrmw add ptr %tickets, i64 1 acq_rel
  %worker = add i64 %ticket, 1
  %too_many = icmp sge i64 %worker, {MOST}
  br i1 %too_many, label %out, label %register
out:
  ret void
register:
  %lines = getelementptr i64, ptr %board, i64 {FIRST}
  %state = getelementptr [{LINE} x i64], ptr %lines, i64 %worker
  %number_at = getelementptr i64, ptr %state, i64 {NUMBER}
  %lock_at = getelementptr i64, ptr %state, i64 {LOCK}
  store ptr %lock, ptr %lock_at
  store i64 {READY}, ptr %state
  %acquire_at = getelementptr i64, ptr %board, i64 {ACQUIRE}
  %acquire = load ptr, ptr %acquire_at
  %processors_at = getelementptr i64, ptr %board, i64 {PROCESSORS}
  %processors = load i64, ptr %processors_at
  %may_look = icmp slt i64 %worker, %processors
  %patience = select i1 %may_look, i64 {PATIENCE}, i64 0
  %started = getelementptr i64, ptr %board, i64 {STARTED}
  br label %queue
queue:
  %queued = cmpxchg ptr %started, i64 %ticket, i64 %worker acq_rel acquire
  %registered = extractvalue {{ i64, i1 }} %queued, 1
  br i1 %registered, label %look, label %in_queue
in_queue:
  call void @rest(i64 {SPINS})
  br label %queue

look:
  %turn = phi i64 [ 0, %queue ], [ 0, %share ], [ 0, %sleep ], [ %following, %wait ]
  %now = load atomic i64, ptr %state acquire, align 8
  switch i64 %now, label %wait [
    i64 {READY}, label %idle
    i64 {CALLED}, label %answer
    i64 {SHARE}, label %share
  ]
idle:
  %tired = icmp sge i64 %turn, %patience
  br i1 %tired, label %lie_down, label %wait
lie_down:
  %lying = cmpxchg ptr %state, i64 {READY}, i64 {ASLEEP} acq_rel acquire
  %lies = extractvalue {{ i64, i1 }} %lying, 1
  br i1 %lies, label %sleep, label %wait
sleep:
  %woken = call i32 %acquire(ptr %lock, i32 1)
  br label %look
answer:
  %answered = cmpxchg ptr %state, i64 {CALLED}, i64 {HERE} acq_rel acquire
  br label %wait
wait:
  call void @rest(i64 %turn)
  %following = add i64 %turn, 1
  br label %look
share:
  %function_at = getelementptr i64, ptr %board, i64 {FUNCTION}
  %function = load ptr, ptr %function_at
  %table_at = getelementptr i64, ptr %board, i64 {TABLE}
  %table = load ptr, ptr %table_at
  %count_at = getelementptr i64, ptr %board, i64 {COUNT}
  %count = load i64, ptr %count_at
  %threads_at = getelementptr i64, ptr %board, i64 {THREADS}
  %threads = load i64, ptr %threads_at
  %number = load i64, ptr %number_at
  call void %function(ptr %table, i64 %number, i64 %threads, ptr %board, i64 %count)
  store atomic i64 {READY}, ptr %state release, align 8
  br label %look
}}

define void @run(
    ptr %board, ptr %function, ptr %table, i64 %count, i64 %awake, i64 %asleep, i64 %turns
) {{
  %lines = getelementptr i64, ptr %board, i64 {FIRST}
  %chosen_at = getelementptr i64, ptr %board, i64 {CHOSEN}
  %chosen = load atomic i64, ptr %chosen_at monotonic, align 8
  %started_at = getelementptr i64, ptr %board, i64 {STARTED}
  %started = load atomic i64, ptr %started_at acquire, align 8
  %there = add i64 %started, 1
  %allowed = call i64 @llvm.smin.i64(i64 %there, i64 %chosen)
  %most = call i64 @llvm.smin.i64(i64 %allowed, i64 %awake)
  %several = icmp sgt i64 %most, 1
  br i1 %several, label %enter, label %by_oneself
enter:
  %busy = getelementptr i64, ptr %board, i64 {BUSY}
  %entered = cmpxchg ptr %busy, i64 0, i64 1 acq_rel acquire
  %is_mine = extractvalue {{ i64, i1 }} %entered, 1
  br i1 %is_mine, label %begin, label %by_oneself
by_oneself:
  call void %function(ptr %table, i64 0, i64 1, ptr null, i64 %count)
  ret void
begin:
  %function_at = getelementptr i64, ptr %board, i64 {FUNCTION}
  store ptr %function, ptr %function_at
  %table_at = getelementptr i64, ptr %board, i64 {TABLE}
  store ptr %table, ptr %table_at
  %count_at = getelementptr i64, ptr %board, i64 {COUNT}
  store i64 %count, ptr %count_at
  %release_at = getelementptr i64, ptr %board, i64 {RELEASE}
  %release = load ptr, ptr %release_at
  br label %ask

ask:  ; worker a; s of those before sleep on
  %a = phi i64 [ 1, %begin ], [ %a_next, %asked ]
  %s = phi i64 [ 0, %begin ], [ %s_next, %asked ]
  %limit = phi i64 [ {ANSWER}, %begin ], [ %limit_next, %asked ]
  %a_state = getelementptr [{LINE} x i64], ptr %lines, i64 %a
  %asking = cmpxchg ptr %a_state, i64 {READY}, i64 {CALLED} acq_rel acquire
  %before = extractvalue {{ i64, i1 }} %asking, 0
  %slept = icmp eq i64 %before, {ASLEEP}
  br i1 %slept, label %asleep_, label %asked
asleep_:
  %pays = icmp slt i64 %a, %asleep
  %one_more = add i64 %s, 1
  br i1 %pays, label %wake, label %asked
wake:
  store atomic i64 {CALLED}, ptr %a_state release, align 8
  %a_lock_at = getelementptr i64, ptr %a_state, i64 {LOCK}
  %a_lock = load ptr, ptr %a_lock_at
  call void %release(ptr %a_lock)
  br label %asked
asked:
  %s_next = phi i64 [ %s, %ask ], [ %one_more, %asleep_ ], [ %s, %wake ]
  %limit_next = phi i64 [ %limit, %ask ], [ %limit, %asleep_ ], [ %turns, %wake ]
  %a_next = add i64 %a, 1
  %all_asked = icmp eq i64 %a_next, %most
  br i1 %all_asked, label %hear, label %ask

hear:  ; worker h; with the caller n threads are here
  %h = phi i64 [ 1, %asked ], [ %h, %not_yet ], [ %h_next, %heard ]
  %n = phi i64 [ 1, %asked ], [ %n, %not_yet ], [ %n_next, %heard ]
  %turn = phi i64 [ 0, %asked ], [ %turn_next, %not_yet ], [ %turn, %heard ]
  %h_state = getelementptr [{LINE} x i64], ptr %lines, i64 %h
  %answer = load atomic i64, ptr %h_state acquire, align 8
  switch i64 %answer, label %heard [
    i64 {HERE}, label %take
    i64 {CALLED}, label %silent
  ]
silent:
  %in_time = icmp slt i64 %turn, %limit_next
  br i1 %in_time, label %not_yet, label %give_up
not_yet:  ; Who offers the processor to others now may have it back when all is done.
  call void @rest(i64 0)
  %turn_next = add i64 %turn, 1
  br label %hear
give_up:
  %giving_up = cmpxchg ptr %h_state, i64 {CALLED}, i64 {READY} acq_rel acquire
  %given_up = extractvalue {{ i64, i1 }} %giving_up, 1
  br i1 %given_up, label %heard, label %take
take:
  %number_at = getelementptr i64, ptr %h_state, i64 {NUMBER}
  store i64 %n, ptr %number_at
  %n_more = add i64 %n, 1
  br label %heard
heard:
  %n_next = phi i64 [ %n, %hear ], [ %n, %give_up ], [ %n_more, %take ]
  %h_next = add i64 %h, 1
  %all_heard = icmp eq i64 %h_next, %most
  br i1 %all_heard, label %divide, label %hear

divide:
  %threads_at = getelementptr i64, ptr %board, i64 {THREADS}
  store i64 %n_next, ptr %threads_at
  br label %hand
hand:
  %g = phi i64 [ 1, %divide ], [ %g_next, %hand ]
  %g_state = getelementptr [{LINE} x i64], ptr %lines, i64 %g
  %handed = cmpxchg ptr %g_state, i64 {HERE}, i64 {SHARE} acq_rel acquire
  %g_next = add i64 %g, 1
  %all_handed = icmp eq i64 %g_next, %most
  br i1 %all_handed, label %count_calls, label %hand

count_calls:  ; Shall sleepers be woken for the next call? If there were workers, it came soon.
  %shared = icmp sgt i64 %n_next, 1
  %soon_at = getelementptr i64, ptr %board, i64 {SOON}
  %soon_before = load i64, ptr %soon_at
  %soon = select i1 %shared, i64 {OFTEN}, i64 %soon_before
  %alone_at = getelementptr i64, ptr %board, i64 {ALONE}
  %alone_before = load i64, ptr %alone_at
  %alone = add i64 %alone_before, 1
  %some_sleep = icmp sgt i64 %s_next, 0
  %is_time = icmp sge i64 %alone, %soon
  %wakes = and i1 %some_sleep, %is_time
  %twice = shl i64 %soon, 1
  %later = call i64 @llvm.smin.i64(i64 %twice, i64 {SELDOM})
  %soon_next = select i1 %wakes, i64 %later, i64 %soon
  store i64 %soon_next, ptr %soon_at
  %goes_on = xor i1 %wakes, %some_sleep
  %alone_next = select i1 %goes_on, i64 %alone, i64 0
  store i64 %alone_next, ptr %alone_at
  br i1 %wakes, label %prepare, label %work
prepare:
  %processors_at = getelementptr i64, ptr %board, i64 {PROCESSORS}
  %processors = load i64, ptr %processors_at
  %last = call i64 @llvm.smin.i64(i64 %most, i64 %processors)
  br label %rouse
rouse:
  %r = phi i64 [ 1, %prepare ], [ %r_next, %rouse_on ], [ %r_next, %rouse_it ]
  %r_state = getelementptr [{LINE} x i64], ptr %lines, i64 %r
  %r_next = add i64 %r, 1
  %any_left = icmp slt i64 %r, %last
  br i1 %any_left, label %rouse_on, label %work
rouse_on:
  %rousing = cmpxchg ptr %r_state, i64 {ASLEEP}, i64 {READY} acq_rel acquire
  %roused = extractvalue {{ i64, i1 }} %rousing, 1
  br i1 %roused, label %rouse_it, label %rouse
rouse_it:
  %r_lock_at = getelementptr i64, ptr %r_state, i64 {LOCK}
  %r_lock = load ptr, ptr %r_lock_at
  call void %release(ptr %r_lock)
  br label %rouse

work:
  call void %function(ptr %table, i64 0, i64 %n_next, ptr %board, i64 %count)
  br label %join
join:
  %j = phi i64 [ 1, %work ], [ %j, %join_on ], [ %j_next, %joined ]
  %j_turn = phi i64 [ 0, %work ], [ %j_turn_next, %join_on ], [ %j_turn, %joined ]
  %j_state = getelementptr [{LINE} x i64], ptr %lines, i64 %j
  %j_now = load atomic i64, ptr %j_state acquire, align 8
  %at_work = icmp eq i64 %j_now, {SHARE}
  br i1 %at_work, label %join_on, label %joined
join_on:
  call void @rest(i64 %j_turn)
  %j_turn_next = add i64 %j_turn, 1
  br label %join
joined:
  %j_next = add i64 %j, 1
  %all_joined = icmp eq i64 %j_next, %most
  br i1 %all_joined, label %leave, label %join
leave:
  store atomic i64 0, ptr %busy release, align 8
  ret void
}}
"""


__all__ = ["source"]
