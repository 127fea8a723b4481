// SPDX-License-Identifier: GPL-2.0
/*
 * Taking requests from a queue's ring and giving them back.
 */
#include <linux/blkdev.h>
#include <linux/highmem.h>
#include <linux/math64.h>
#include <linux/slab.h>
#include <linux/virtio_blk.h>
#include <asm/tsc.h>

#include "compat.h"
#include "queue.h"

/* When there was no memory. */
#define RETRY (HZ / 100 + 1)

/* What looking for a request came to. */
enum taken {
	TAKEN,	    /* one was; there may be more */
	TAKEN_NONE, /* there was none, and the driver notifies of the next */
	TAKEN_WAIT, /* somebody is to look again, and the driver need not notify */
	TAKEN_END, /* the queue takes nothing any more */
};

/* ---- giving back -------------------------------------------------------------- */

/* From here on what is given back is collected, and signalled once at the end. */
static void batch_begin(struct vireo_queue *q)
{
	spin_lock_irq(&q->lock);
	q->batches++;
	spin_unlock_irq(&q->lock);
}

static void signal_driver(struct vireo_queue *q)
{
	lockdep_assert_held(&q->lock);

	if (!q->ring.pushed)
		return;
	if (vireo_vring_signal(&q->ring)) {
		vireo_queue_count(&q->stats, VIREO_QUEUE_SIGNALS);
		vireo_eventfd_signal(q->call);
	} else {
		vireo_queue_count(&q->stats, VIREO_QUEUE_UNSIGNALLED);
	}
}

static void batch_end(struct vireo_queue *q)
{
	spin_lock_irq(&q->lock);
	if (!--q->batches)
		signal_driver(q);
	spin_unlock_irq(&q->lock);
}

static void tell_owner(struct vireo_queue *q)
{
	if (q->event)
		vireo_eventfd_signal(q->event);
}

/* It is no longer in flight. The lock is held. */
static void leave(struct vireo_queue *q, const struct vireo_req *req)
{
	lockdep_assert_held(&q->lock);

	q->in_flight--;
	q->bytes -= req->bytes;
	if (q->full && q->bytes < VIREO_QUEUE_BYTES) {
		q->full = false;
		vireo_queue_work(&q->taker);
	}
	/* Who waits has queued itself before it takes the lock to look. */
	if (!q->in_flight && waitqueue_active(&q->idle))
		wake_up(&q->idle);
}

/**
 * vireo_req_free() - free a request that nobody knows
 * @req: the request
 */
void vireo_req_free(struct vireo_req *req)
{
	vireo_req_put_vecs(req);
	kfree(req->segs);
	if (req->status)
		put_page(req->status);
	kfree(req);
}

static_assert(VIREO_QUEUE_OP_READ == VIREO_QUEUE_READ + 1 &&
	      VIREO_QUEUE_OP_ZERO == VIREO_QUEUE_ZERO + 1);

/* For the owner. The lock is held. */
static void count(struct vireo_queue *q, const struct vireo_req *req, u8 status)
{
	struct vireo_queue_counts *counts = &q->counts;
	u64 end = (req->sector << SECTOR_SHIFT) + req->bytes;
	struct vireo_queue_count *c;

	lockdep_assert_held(&q->lock);

	if (req->op < VIREO_QUEUE_OP_READ || req->op > VIREO_QUEUE_OP_ZERO)
		return;
	c = &counts->kinds[req->op - VIREO_QUEUE_OP_READ];
	if (status == VIRTIO_BLK_S_OK) {
		c->ops++;
		c->bytes += req->bytes;
		c->ns += rdtsc() - req->begun; /* cycles until it is told */
		if ((req->op == VIREO_QUEUE_OP_WRITE ||
		     req->op == VIREO_QUEUE_OP_ZERO) &&
		    end > counts->highest)
			counts->highest = end;
	} else if (req->failed) {
		c->failed++;
	} else if (status == VIRTIO_BLK_S_IOERR) {
		c->invalid++;
	}
}

/**
 * vireo_queue_counts() - what a queue has done
 * @q: the queue
 * @to: set to it
 */
void vireo_queue_counts(struct vireo_queue *q, struct vireo_queue_counts *to)
{
	int i;

	spin_lock_irq(&q->lock);
	*to = q->counts;
	spin_unlock_irq(&q->lock);
	for (i = 0; i < VIREO_QUEUE_KINDS; i++)
		to->kinds[i].ns = mul_u64_u32_div(to->kinds[i].ns, 1000000,
						  tsc_khz ?: 1000000);
}

/**
 * vireo_req_finish() - give a request back
 * @req: the request; freed
 * @status: VIRTIO_BLK_S_*
 *
 * In any context.  The queue may be gone when this returns.
 */
void vireo_req_finish(struct vireo_req *req, u8 status)
{
	struct vireo_queue *q = req->queue;
	unsigned long flags;
	u8 *at;

	at = kmap_local_page(req->status);
	WRITE_ONCE(at[req->status_offset], status);
	kunmap_local(at);

	vireo_req_put_vecs(req);
	put_page(req->status);
	kfree(req->segs);

	spin_lock_irqsave(&q->lock, flags);
	count(q, req, status);
	vireo_queue_count_done(&q->stats, req->op, status == VIRTIO_BLK_S_OK,
			       req->bytes, req->begun);
	/* Before the driver knows, who may add another then. */
	leave(q, req);
	vireo_vring_push(&q->ring, req->head, req->nr_desc,
			 status == VIRTIO_BLK_S_OK ? req->put : 0);
	if (!q->batches)
		signal_driver(q);
	spin_unlock_irqrestore(&q->lock, flags);
	kfree(req);
}

static void note_error(struct vireo_queue *q, const struct vireo_req *req,
		       int error)
{
	q->errors++;
	q->failed_errno = -error;
	q->failed_type = req->type;
	q->failed_sector = req->sector;
}

/* Keeps what failed, for the owner to do it again.  Return: whether. */
static bool hold(struct vireo_req *req, int error)
{
	struct vireo_queue *q = req->queue;
	bool holds = q->flags & VIREO_QUEUE_HOLD_ERRORS;
	unsigned long flags;

	if (holds) {
		vireo_req_put_vecs(req);
		put_page(req->status);
		kfree(req->segs);
	}
	req->failed = true;
	spin_lock_irqsave(&q->lock, flags);
	note_error(q, req, error);
	if (holds) {
		count(q, req, VIRTIO_BLK_S_IOERR);
		set_bit(VIREO_QUEUE_HOLDS, &q->state);
		q->held[q->nr_held++] = req->head;
		leave(q, req);
	}
	tell_owner(q);
	spin_unlock_irqrestore(&q->lock, flags);
	if (holds)
		kfree(req);
	return holds;
}

/**
 * vireo_req_done() - the disk is done with a request
 * @req: the request; given back, or held
 * @error: 0 or a negative errno
 *
 * In any context.
 */
void vireo_req_done(struct vireo_req *req, int error)
{
	if (likely(!error))
		vireo_req_bounced(req);
	else if (hold(req, error))
		return;
	vireo_req_finish(req, error ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK);
}

/* ---- the waiter ---------------------------------------------------------------- */

/**
 * vireo_req_slow() - leave a request to who may wait
 * @req: the request
 * @whole: it is to do all of it, else to submit it
 *
 * In any context.
 */
void vireo_req_slow(struct vireo_req *req, bool whole)
{
	struct vireo_queue *q = req->queue;
	unsigned long flags;

	req->whole = whole;
	spin_lock_irqsave(&q->lock, flags);
	list_add_tail(&req->link, &q->slow);
	vireo_queue_count(&q->stats, VIREO_QUEUE_SLOW);
	vireo_queue_work(&q->waiter);
	spin_unlock_irqrestore(&q->lock, flags);
}

static struct vireo_req *next_slow(struct vireo_queue *q)
{
	struct vireo_req *req;

	spin_lock_irq(&q->lock);
	req = list_first_entry_or_null(&q->slow, struct vireo_req, link);
	if (req)
		list_del(&req->link);
	spin_unlock_irq(&q->lock);
	return req;
}

/* One that is done in pieces learns late that it is not all of it in memory. */
static void done_whole(struct vireo_req *req, int error)
{
	if (error == -EFAULT)
		vireo_req_finish(req, VIRTIO_BLK_S_IOERR);
	else
		vireo_req_done(req, error);
}

static void waiter(struct work_struct *work)
{
	struct vireo_queue *q = container_of(work, struct vireo_queue, waiter);
	struct vireo_req *req;

	while ((req = next_slow(q))) {
		if (req->whole)
			done_whole(req, vireo_req_do(req));
		else
			vireo_req_submit(req, false);
		cond_resched();
	}
}

/* ---- taking -------------------------------------------------------------------- */

static void look_later(struct vireo_queue *q, unsigned long delay)
{
	vireo_queue_work_later(&q->later, delay);
}

static void break_ring(struct vireo_queue *q)
{
	unsigned long flags;

	spin_lock_irqsave(&q->lock, flags);
	tell_owner(q);
	spin_unlock_irqrestore(&q->lock, flags);
}

/* A request to be filled; it stays the queue's until it is taken. */
static struct vireo_req *spare(struct vireo_queue *q)
{
	if (!q->spare) {
		q->spare = kzalloc(sizeof(*q->spare), GFP_KERNEL_ACCOUNT);
		if (q->spare) {
			q->spare->queue = q;
			q->spare->vecs = q->spare->inline_vecs;
		}
	}
	return q->spare;
}

/* Counts a request, or says that there are too many bytes in flight for now. */
static void enter(struct vireo_queue *q, const struct vireo_req *req)
{
	spin_lock_irq(&q->lock);
	q->in_flight++;
	q->bytes += req->bytes;
	vireo_queue_count_depth(&q->stats, q->in_flight);
	spin_unlock_irq(&q->lock);
}

static bool is_full(struct vireo_queue *q)
{
	bool full;

	if (likely(READ_ONCE(q->bytes) < VIREO_QUEUE_BYTES))
		return false;
	spin_lock_irq(&q->lock);
	full = q->bytes >= VIREO_QUEUE_BYTES;
	if (full)
		q->full = true;
	spin_unlock_irq(&q->lock);
	return full;
}

/* The next chain; returns what vireo_vring_pop() does. */
static int next_chain(struct vireo_queue *q)
{
	int ret;

	if (READ_ONCE(q->in_flight) == q->ring.num)
		return vireo_vring_break(&q->ring, VIREO_QUEUE_BAD_INDEX);
	if (likely(!q->nr_todo))
		return vireo_vring_pop(&q->ring, &q->chain);
	ret = vireo_vring_walk(&q->ring, q->todo[0], &q->chain);
	return ret ?: 1;
}

/* The chain that next_chain() gave counts as taken. */
static void drop_todo(struct vireo_queue *q)
{
	q->nr_todo--;
	memmove(q->todo, q->todo + 1, q->nr_todo * sizeof(*q->todo));
}

static void clear_spare(struct vireo_queue *q)
{
	if (q->spare)
		vireo_req_free(q->spare);
	q->spare = NULL;
}

/* Submits it, unless the limits have it wait. */
static enum taken begin(struct vireo_queue *q, struct vireo_req *req,
			bool nowait)
{
	u64 wait = req->op == VIREO_QUEUE_OP_FLUSH ?
			   0 :
			   vireo_disk_ask(q->disk, vireo_req_has_data(req) ?
							   req->bytes :
							   0);

	if (unlikely(wait)) {
		vireo_queue_count(&q->stats, VIREO_QUEUE_THROTTLED);
		q->waiting = req;
		look_later(q, nsecs_to_jiffies(wait) + 1);
		return TAKEN_WAIT;
	}
	q->waiting = NULL;
	vireo_req_submit(req, nowait);
	return TAKEN;
}

static enum taken take(struct vireo_queue *q, bool nowait)
{
	struct vireo_req *req;
	bool todo = q->nr_todo;
	u8 status;
	int ret;

	if (unlikely(q->ring.fault || q->state & (BIT(VIREO_QUEUE_STOP) |
						  BIT(VIREO_QUEUE_HOLDS))))
		return TAKEN_END;
	if (unlikely(q->waiting))
		return begin(q, q->waiting, nowait);
	if (!todo && !vireo_vring_pending(&q->ring) &&
	    !vireo_vring_notify(&q->ring))
		return TAKEN_NONE;
	vireo_vring_no_notify(&q->ring);
	if (is_full(q))
		return TAKEN_WAIT;
	req = spare(q);
	if (!req)
		goto again;
	ret = next_chain(q);
	if (ret == -EAGAIN)
		goto again;
	if (ret < 0)
		goto broken;
	/* It was there: an index that now says otherwise went backwards. */
	if (!ret) {
		vireo_vring_break(&q->ring, VIREO_QUEUE_BAD_INDEX);
		goto broken;
	}

	req->head = q->chain.head;
	req->nr_desc = q->chain.nr_desc;
	switch (vireo_req_read(req, &q->chain, &status)) {
	case VIREO_READ_BAD:
		goto broken;
	case VIREO_READ_AGAIN:
		if (!todo)
			vireo_vring_unpop(&q->ring, req->nr_desc);
		goto again;
	case VIREO_READ_STATUS:
		req->bytes = 0;
		req->begun = vireo_queue_now();
		q->spare = NULL;
		if (todo)
			drop_todo(q);
		enter(q, req);
		vireo_req_finish(req, status);
		return TAKEN;
	case VIREO_READ_SUBMIT:
		break;
	}
	req->begun = vireo_queue_now();
	q->spare = NULL;
	if (todo)
		drop_todo(q);
	q->waiting_todo = todo;
	vireo_queue_count(&q->stats,
			  nowait ? VIREO_QUEUE_INLINE : VIREO_QUEUE_WORKER);
	enter(q, req);
	return begin(q, req, nowait);

again:
	clear_spare(q);
	look_later(q, RETRY);
	return TAKEN_WAIT;
broken:
	clear_spare(q);
	break_ring(q);
	return TAKEN_END;
}

/* Takes up to *@budget.  Return: whether that ended it. */
static bool serve(struct vireo_queue *q, unsigned int *budget, bool nowait)
{
	enum taken taken = TAKEN;
	struct blk_plug plug;

	lockdep_assert_held(&q->serve);

	batch_begin(q);
	blk_start_plug(&plug);
	while (*budget && taken == TAKEN) {
		taken = take(q, nowait);
		if (taken == TAKEN)
			--*budget;
	}
	blk_finish_plug(&plug);
	batch_end(q);
	return taken == TAKEN;
}

/**
 * vireo_queue_look() - take what there is
 * @q: the queue
 * @bell: by a vCPU, which is not to wait
 *
 * Whoever comes while another takes leaves it to that one.
 */
void vireo_queue_look(struct vireo_queue *q, bool bell)
{
	unsigned int budget = bell ? VIREO_BELL_BUDGET : VIREO_QUEUE_MAX_NUM;
	bool more;

	set_bit(VIREO_QUEUE_KICKED, &q->state);
	for (;;) {
		/* The bit before the look at the lock, and after its release. */
		smp_mb();
		if (!test_bit(VIREO_QUEUE_KICKED, &q->state) ||
		    !mutex_trylock(&q->serve))
			return;
		clear_bit(VIREO_QUEUE_KICKED, &q->state);
		more = serve(q, &budget, bell);
		mutex_unlock(&q->serve);
		if (more) {
			vireo_queue_work(&q->taker);
			return;
		}
	}
}

static void taker(struct work_struct *work)
{
	vireo_queue_look(container_of(work, struct vireo_queue, taker), false);
}

static void later(struct work_struct *work)
{
	vireo_queue_look(container_of(to_delayed_work(work), struct vireo_queue,
				      later),
			 false);
}

/**
 * vireo_queue_init_serve() - a new queue serves nothing yet
 * @q: the queue
 */
void vireo_queue_init_serve(struct vireo_queue *q)
{
	mutex_init(&q->serve);
	spin_lock_init(&q->lock);
	INIT_LIST_HEAD(&q->slow);
	init_waitqueue_head(&q->idle);
	INIT_WORK(&q->taker, taker);
	INIT_DELAYED_WORK(&q->later, later);
	INIT_WORK(&q->waiter, waiter);
}

/*
 * Gets hold of @serve: who has it may be waiting for a disk that is busy.  There
 * is no mutex_lock() with a limit, and this is rare.
 */
static long lock_serve(struct vireo_queue *q, long limit, bool signals)
{
	while (!mutex_trylock(&q->serve)) {
		if (!limit)
			return -ETIMEDOUT;
		if (signals && signal_pending(current))
			return -EINTR;
		__set_current_state(signals ? TASK_INTERRUPTIBLE : TASK_IDLE);
		schedule_timeout(1);
		if (limit != MAX_SCHEDULE_TIMEOUT)
			limit--;
	}
	return limit;
}

/**
 * vireo_queue_stop() - take nothing any more
 * @q: the queue
 * @limit: jiffies to wait for who is taking
 * @signals: a signal ends that
 *
 * What waits for the limits counts as not taken.
 *
 * Return: jiffies that are left, -ETIMEDOUT or -EINTR.
 */
long vireo_queue_stop(struct vireo_queue *q, long limit, bool signals)
{
	struct vireo_req *req;

	set_bit(VIREO_QUEUE_STOP, &q->state);
	limit = lock_serve(q, limit, signals);
	if (limit < 0)
		return limit;
	req = q->waiting;
	q->waiting = NULL;
	if (req) {
		if (q->waiting_todo) {
			memmove(q->todo + 1, q->todo,
				q->nr_todo * sizeof(*q->todo));
			q->todo[0] = req->head;
			q->nr_todo++;
		} else {
			vireo_vring_unpop(&q->ring, req->nr_desc);
		}
		spin_lock_irq(&q->lock);
		leave(q, req);
		spin_unlock_irq(&q->lock);
		vireo_req_free(req);
	}
	mutex_unlock(&q->serve);
	return limit;
}

/**
 * vireo_queue_end_serve() - no worker is in a queue any more
 * @q: the queue; it is stopped, and nothing is in flight
 */
void vireo_queue_end_serve(struct vireo_queue *q)
{
	cancel_delayed_work_sync(&q->later);
	cancel_work_sync(&q->taker);
	cancel_work_sync(&q->waiter);
	clear_spare(q);
}
