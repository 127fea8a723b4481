// SPDX-License-Identifier: GPL-2.0
/*
 * Who says that there is something in a queue: a vCPU that writes to its
 * doorbell, and an eventfd.
 */
#include <linux/eventfd.h>
#include <linux/fs.h>
#include <linux/poll.h>

#include "compat.h"
#include "queue.h"

/**
 * vireo_queue_bell() - a vCPU writes to a doorbell
 * @q: the queue
 * @addr: where; within the doorbell
 * @len: bytes; any number
 * @val: the data
 *
 * Return: 0, or -EOPNOTSUPP if that does not ring it.
 */
int vireo_queue_bell(struct vireo_queue *q, u64 addr, u32 len, const void *val)
{
	u64 value = 0;

	if (addr != q->bell_addr || len > q->bell_len)
		return -EOPNOTSUPP;
	if (q->flags & VIREO_QUEUE_BELL_MATCH) {
		memcpy(&value, val, len);
		if (value != q->bell_match)
			return -EOPNOTSUPP;
	}
	vireo_queue_count_shared(&q->stats, VIREO_QUEUE_BELLS);
	vireo_queue_look(q, true);
	return 0;
}

/* Several may have one address, if they differ in what is written. */
static bool bells_differ(const struct vireo_queue *a,
			 const struct vireo_queue *b)
{
	return a->bell_addr == b->bell_addr && a->bell_len == b->bell_len &&
	       a->flags & b->flags & VIREO_QUEUE_BELL_MATCH &&
	       a->bell_match != b->bell_match;
}

/**
 * vireo_bells_overlap() - is there a doorbell in a range?
 * @vm: the VM; its lock is held
 * @bus: VIREO_BUS_*
 * @addr: first address
 * @len: bytes
 * @but: NULL, or a doorbell that it is about, which others may share
 *
 * Return: whether.
 */
bool vireo_bells_overlap(struct vireo_vm *vm, u32 bus, u64 addr, u64 len,
			 const struct vireo_queue *but)
{
	const struct vireo_queue *q;
	unsigned long id;

	lockdep_assert_held(&vm->lock);

	xa_for_each(&vm->queues, id, q)
		if (q->bell_len && q->bell_bus == bus &&
		    addr < q->bell_addr + q->bell_len &&
		    q->bell_addr < addr + len && !(but && bells_differ(q, but)))
			return true;
	return false;
}

/* In the context of who signals, under the eventfd's lock. */
static int on_kick(wait_queue_entry_t *wait, unsigned int mode, int sync,
		   void *key)
{
	struct vireo_queue *q =
		container_of(wait, struct vireo_queue, kick_wait);

	if (key_to_poll(key) & EPOLLIN) {
		vireo_queue_count_shared(&q->stats, VIREO_QUEUE_KICKS);
		vireo_queue_work(&q->taker);
	}
	return 0;
}

static void on_poll(struct file *file, wait_queue_head_t *head,
		    poll_table *poll)
{
	struct vireo_queue *q =
		container_of(poll, struct vireo_queue, kick_poll);

	q->kick_head = head;
	add_wait_queue(head, &q->kick_wait);
}

/**
 * vireo_queue_listen() - listen to kick_fd, if there is one
 * @q: the queue
 */
void vireo_queue_listen(struct vireo_queue *q)
{
	if (!q->kick_file)
		return;
	init_waitqueue_func_entry(&q->kick_wait, on_kick);
	init_poll_funcptr(&q->kick_poll, on_poll);
	vfs_poll(q->kick_file, &q->kick_poll);
}

/**
 * vireo_queue_unlisten() - listen to nothing any more
 * @q: the queue; its VM's lock is held
 */
void vireo_queue_unlisten(struct vireo_queue *q)
{
	if (q->kick_head)
		remove_wait_queue(q->kick_head, &q->kick_wait);
	q->kick_head = NULL;
}
