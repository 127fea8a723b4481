// SPDX-License-Identifier: GPL-2.0-or-later
/* Tables in memory, and the order in which they go to disk. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "qcow2_image.h"

/* ---- the file -------------------------------------------------------------- */

int qcow2_pread(const struct qcow2 *q, void *buf, uint64_t len, uint64_t offset)
{
	char *at = buf;
	ssize_t n;

	while (len) {
		if (offset > INT64_MAX - len)
			return -EIO;
		n = pread(q->fd, at, len, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n) {
			memset(at, 0, len);
			break;
		}
		at += n;
		offset += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return 0;
}

int qcow2_pwrite(struct qcow2 *q, const void *buf, uint64_t len,
		 uint64_t offset)
{
	const char *at = buf;
	ssize_t n;

	if (q->readonly)
		return -EROFS;
	while (len) {
		if (offset > INT64_MAX - len)
			return -EFBIG;
		n = pwrite(q->fd, at, len, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		offset += (uint64_t)n;
		len -= (uint64_t)n;
	}
	if (offset > q->file_size)
		q->file_size = offset;
	return 0;
}

int qcow2_sync(const struct qcow2 *q)
{
	return fdatasync(q->fd) ? -errno : 0;
}

int qcow2_extend(struct qcow2 *q, uint64_t size)
{
	if (size <= q->file_size || !q->regular)
		return 0;
	if (ftruncate(q->fd, (off_t)size))
		return -errno;
	q->file_size = size;
	return 0;
}

/* ---- caches ---------------------------------------------------------------- */

static struct qcow2_table **bucket(const struct qcow2 *q, struct qcow2_cache *c,
				   uint64_t offset)
{
	return &c->buckets[(offset >> q->cluster_bits) % QCOW2_BUCKETS];
}

static void unlink_age(struct qcow2_cache *c, struct qcow2_table *t)
{
	*(t->older ? &t->older->newer : &c->oldest) = t->newer;
	*(t->newer ? &t->newer->older : &c->newest) = t->older;
}

static void link_newest(struct qcow2_cache *c, struct qcow2_table *t)
{
	t->newer = NULL;
	t->older = c->newest;
	*(c->newest ? &c->newest->newer : &c->oldest) = t;
	c->newest = t;
}

static struct qcow2_table *cached(const struct qcow2 *q, struct qcow2_cache *c,
				  uint64_t offset)
{
	struct qcow2_table *t = *bucket(q, c, offset);

	while (t && t->offset != offset)
		t = t->next;
	if (t && t != c->newest) {
		unlink_age(c, t);
		link_newest(c, t);
	}
	return t;
}

static struct qcow2_table *insert(const struct qcow2 *q, struct qcow2_cache *c,
				  uint64_t offset)
{
	struct qcow2_table **head = bucket(q, c, offset);
	struct qcow2_table *t = malloc(sizeof(*t) + q->cluster_size);

	if (!t)
		return NULL;
	t->offset = offset;
	t->dirty = false;
	t->next = *head;
	*head = t;
	link_newest(c, t);
	c->count++;
	return t;
}

static void drop(const struct qcow2 *q, struct qcow2_cache *c,
		 struct qcow2_table *t)
{
	struct qcow2_table **p = bucket(q, c, t->offset);

	while (*p != t)
		p = &(*p)->next;
	*p = t->next;
	unlink_age(c, t);
	c->count--;
	if (t->dirty)
		c->dirty--;
	free(t);
}

int qcow2_load(struct qcow2 *q, struct qcow2_cache *c, uint64_t offset,
	       struct qcow2_table **table)
{
	struct qcow2_table *t = cached(q, c, offset);
	int rc;

	if (!t) {
		t = insert(q, c, offset);
		if (!t)
			return -ENOMEM;
		rc = qcow2_pread(q, t->data, q->cluster_size, offset);
		if (rc) {
			drop(q, c, t);
			return rc;
		}
	}
	*table = t;
	return 0;
}

int qcow2_new_table(struct qcow2 *q, struct qcow2_cache *c, uint64_t offset,
		    struct qcow2_table **table)
{
	struct qcow2_table *t = cached(q, c, offset);

	if (!t)
		t = insert(q, c, offset);
	if (!t)
		return -ENOMEM;
	memset(t->data, 0, q->cluster_size);
	qcow2_dirty(c, t);
	*table = t;
	return 0;
}

void qcow2_dirty(struct qcow2_cache *c, struct qcow2_table *table)
{
	if (!table->dirty)
		c->dirty++;
	table->dirty = true;
}

void qcow2_forget(const struct qcow2 *q, struct qcow2_cache *c, uint64_t offset)
{
	struct qcow2_table *t = cached(q, c, offset);

	if (t)
		drop(q, c, t);
}

void qcow2_forget_all(const struct qcow2 *q, struct qcow2_cache *c)
{
	while (c->oldest)
		drop(q, c, c->oldest);
}

static int write_tables(struct qcow2 *q, struct qcow2_cache *c)
{
	struct qcow2_table *t;
	int rc;

	for (t = c->oldest; t && c->dirty; t = t->newer) {
		if (!t->dirty)
			continue;
		rc = qcow2_pwrite(q, t->data, q->cluster_size, t->offset);
		if (rc)
			return rc;
		t->dirty = false;
		c->dirty--;
	}
	return 0;
}

/* ---- the order ------------------------------------------------------------- */

void qcow2_l1_set(struct qcow2 *q, uint32_t index, uint64_t entry)
{
	q->l1[index] = entry;
	if (q->l1_from >= q->l1_to) {
		q->l1_from = index;
		q->l1_to = index + 1;
	} else if (index < q->l1_from) {
		q->l1_from = index;
	} else if (index >= q->l1_to) {
		q->l1_to = index + 1;
	}
}

bool qcow2_changed(const struct qcow2 *q)
{
	return q->l2.dirty || q->l1_from < q->l1_to || q->nr_freed ||
	       (!q->lazy &&
		(q->refblocks.dirty || q->reftable_from < q->reftable_to));
}

static int write_refcounts(struct qcow2 *q)
{
	int rc = write_tables(q, &q->refblocks);

	if (rc || q->reftable_from >= q->reftable_to)
		return rc;
	/* A new block is on disk before it is part of the refcounts. */
	rc = qcow2_sync(q);
	if (!rc)
		rc = qcow2_write_table(q, q->reftable_offset, q->reftable,
				       q->reftable_from, q->reftable_to);
	if (!rc)
		q->reftable_from = q->reftable_to = 0;
	return rc;
}

static int write_mapping(struct qcow2 *q)
{
	int rc = write_tables(q, &q->l2);

	if (rc || q->l1_from >= q->l1_to)
		return rc;
	rc = qcow2_sync(q);
	if (!rc)
		rc = qcow2_write_table(q, q->l1_offset, q->l1, q->l1_from,
				       q->l1_to);
	if (!rc)
		q->l1_from = q->l1_to = 0;
	return rc;
}

int qcow2_commit(struct qcow2 *q, bool full)
{
	int rc;

	if (q->readonly)
		return 0;
	if (q->corrupt)
		return -EIO;
	if (q->lazy && !(q->incompatible & QCOW2_DIRTY) && qcow2_changed(q)) {
		rc = qcow2_set_incompatible(q, QCOW2_DIRTY, 0);
		if (rc)
			return rc;
	}
	if (!q->lazy || full) {
		rc = write_refcounts(q);
		if (rc)
			return rc;
	}
	if (q->l2.dirty || q->l1_from < q->l1_to) {
		rc = qcow2_sync(q);
		if (!rc)
			rc = write_mapping(q);
		if (rc)
			return rc;
	}
	rc = qcow2_sync(q);
	return rc ? rc : qcow2_free_now(q);
}

int qcow2_settle(struct qcow2 *q)
{
	int rc;

	/* What the first one frees, the second one writes. */
	rc = qcow2_commit(q, true);
	if (!rc && (q->refblocks.dirty || q->reftable_from < q->reftable_to))
		rc = qcow2_commit(q, true);
	if (!rc && (q->incompatible & QCOW2_DIRTY) && !q->readonly)
		rc = qcow2_set_incompatible(q, 0, QCOW2_DIRTY);
	return rc;
}

static void shrink(const struct qcow2 *q, struct qcow2_cache *c)
{
	struct qcow2_table *t = c->oldest, *newer;

	for (; t && c->count > c->limit; t = newer) {
		newer = t->newer;
		if (!t->dirty)
			drop(q, c, t);
	}
}

/* Frees that wait are bounded, too, unless requests never end. */
#define FREED_LIMIT 16384

int qcow2_trim(struct qcow2 *q)
{
	int rc = 0;

	shrink(q, &q->l2);
	shrink(q, &q->refblocks);
	if (q->l2.count <= q->l2.limit &&
	    q->refblocks.count <= q->refblocks.limit &&
	    q->nr_freed < FREED_LIMIT)
		return 0;
	if (q->l2.count > q->l2.limit ||
	    q->refblocks.count > q->refblocks.limit ||
	    q->freed[0].when < qcow2_oldest(q))
		rc = qcow2_commit(q, true);
	shrink(q, &q->l2);
	shrink(q, &q->refblocks);
	return rc;
}

/* ---- sets ------------------------------------------------------------------ */

static size_t slot_of(const struct qcow2_set *set, uint64_t cluster)
{
	return (size_t)((cluster * 0x9e3779b97f4a7c15ULL) >> 20) &
	       (set->size - 1);
}

bool qcow2_set_has(const struct qcow2_set *set, uint64_t cluster)
{
	size_t i;

	if (!set->size)
		return false;
	for (i = slot_of(set, cluster); set->slots[i];
	     i = (i + 1) & (set->size - 1))
		if (set->slots[i] == cluster + 1)
			return true;
	return false;
}

static int set_grow(struct qcow2_set *set)
{
	struct qcow2_set more = { .size = set->size ? 2 * set->size : 64 };
	size_t i;

	more.slots = calloc(more.size, sizeof(*more.slots));
	if (!more.slots)
		return -ENOMEM;
	for (i = 0; i < set->size; i++)
		if (set->slots[i])
			qcow2_set_add(&more, set->slots[i] - 1);
	free(set->slots);
	*set = more;
	return 0;
}

int qcow2_set_add(struct qcow2_set *set, uint64_t cluster)
{
	size_t i;

	if (qcow2_set_has(set, cluster))
		return 1;
	if (set->count >= set->size / 2 && set_grow(set))
		return -ENOMEM;
	i = slot_of(set, cluster);
	while (set->slots[i])
		i = (i + 1) & (set->size - 1);
	set->slots[i] = cluster + 1;
	set->count++;
	return 0;
}

void qcow2_set_del(struct qcow2_set *set, uint64_t cluster)
{
	size_t mask = set->size - 1, hole, i;
	uint64_t moved;

	if (!qcow2_set_has(set, cluster))
		return;
	for (hole = slot_of(set, cluster); set->slots[hole] != cluster + 1;)
		hole = (hole + 1) & mask;
	set->count--;
	/* What follows and cannot be found past a hole moves into it. */
	for (i = (hole + 1) & mask; set->slots[i]; i = (i + 1) & mask) {
		moved = set->slots[i];
		if (((i - slot_of(set, moved - 1)) & mask) <
		    ((i - hole) & mask))
			continue;
		set->slots[hole] = moved;
		hole = i;
	}
	set->slots[hole] = 0;
}
