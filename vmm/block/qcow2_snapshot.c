// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Internal snapshots: an L1 table each, whose L2 tables and clusters are shared
 * by reference counts.
 *
 * Whatever is interrupted, clusters are referred to less often than they are
 * counted, never more: references are counted before they are made, and the
 * header, which makes them, is one write.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "../error.h"
#include "qcow2_image.h"

static void free_snapshot(struct qcow2_snapshot *s)
{
	free(s->info.id);
	free(s->info.name);
	free(s->extra);
}

void qcow2_free_snapshots(struct qcow2 *q)
{
	uint32_t i;

	for (i = 0; q->snapshots && i < q->nr_snapshots; i++)
		free_snapshot(&q->snapshots[i]);
	free(q->snapshots);
}

/* ---- the table -------------------------------------------------------------- */

static uint32_t entry_bytes(const struct qcow2_snapshot *s)
{
	size_t n = QS_LENGTH + s->extra_len + strlen(s->info.id) +
		   strlen(s->info.name);

	return (uint32_t)((n + 7) & ~7UL);
}

static int load_one(struct qcow2 *q, struct qcow2_snapshot *s, uint64_t *at)
{
	uint8_t head[QS_LENGTH];
	uint16_t id_len, name_len;
	uint64_t end = qcow2_clusters(q, q->file_size) << q->cluster_bits;
	int rc = qcow2_pread(q, head, sizeof(head), *at);

	if (rc)
		return rc;
	s->l1_offset = get64(head + QS_L1_OFFSET);
	s->l1_size = get32(head + QS_L1_SIZE);
	id_len = get16(head + QS_ID_LEN);
	name_len = get16(head + QS_NAME_LEN);
	s->info.seconds = get32(head + QS_SECONDS);
	s->nanoseconds = get32(head + QS_NANOSECONDS);
	s->info.vm_clock = get64(head + QS_VM_CLOCK);
	s->info.vm_state = get32(head + QS_VM_STATE);
	s->extra_len = get32(head + QS_EXTRA_LEN);
	if (s->extra_len > QCOW2_SNAPSHOT_EXTRA ||
	    s->l1_size > QCOW2_L1_BYTES / 8 ||
	    !qcow2_aligned(q, s->l1_offset) || s->l1_offset > end ||
	    s->l1_size * 8ULL > end - s->l1_offset)
		return -EINVAL;
	s->extra = calloc(1, s->extra_len + 1);
	s->info.id = calloc(1, id_len + 1U);
	s->info.name = calloc(1, name_len + 1U);
	if (!s->extra || !s->info.id || !s->info.name)
		return -ENOMEM;
	*at += sizeof(head);
	rc = qcow2_pread(q, s->extra, s->extra_len, *at);
	*at += s->extra_len;
	if (!rc)
		rc = qcow2_pread(q, s->info.id, id_len, *at);
	*at += id_len;
	if (!rc)
		rc = qcow2_pread(q, s->info.name, name_len, *at);
	*at += name_len;
	*at = (*at + 7) & ~7ULL;
	if (s->extra_len >= 8)
		s->info.vm_state = get64(s->extra);
	if (s->extra_len >= QS_EXTRA_MIN)
		s->info.size = get64(s->extra + 8);
	return rc;
}

int qcow2_load_snapshots(struct qcow2 *q, struct error *err)
{
	uint32_t count = q->nr_snapshots;
	uint64_t at = q->snapshots_offset;
	int rc = 0;

	q->nr_snapshots = 0;
	if (!count)
		return 0;
	if (count > QCOW2_SNAPSHOTS)
		return error_set(err, EFBIG, "it has %u snapshots", count);
	q->snapshots = calloc(count, sizeof(*q->snapshots));
	if (!q->snapshots)
		return error_sys(err, ENOMEM, "cannot open it");
	while (q->nr_snapshots < count && !rc) {
		rc = load_one(q, &q->snapshots[q->nr_snapshots++], &at);
		if (!rc && (at - q->snapshots_offset > QCOW2_SNAPSHOT_BYTES ||
			    at > q->file_size + 8))
			rc = -EINVAL;
	}
	q->snapshots_bytes = (uint32_t)(at - q->snapshots_offset);
	if (rc == -EINVAL)
		return error_set(err, EINVAL,
				 "entry %u of its snapshot table is wrong",
				 q->nr_snapshots - 1);
	return rc ? error_sys(err, -rc, "cannot read its snapshots") : 0;
}

static uint8_t *pack_table(const struct qcow2_snapshot *s, uint32_t count,
			   uint32_t *bytes)
{
	uint8_t *table, *to;
	uint32_t i;

	*bytes = 0;
	for (i = 0; i < count; i++)
		*bytes += entry_bytes(&s[i]);
	table = calloc(1, *bytes ? *bytes : 1);
	for (i = 0, to = table; table && i < count; i++, s++) {
		size_t id = strlen(s->info.id), name = strlen(s->info.name);

		put64(to + QS_L1_OFFSET, s->l1_offset);
		put32(to + QS_L1_SIZE, s->l1_size);
		put16(to + QS_ID_LEN, (uint16_t)id);
		put16(to + QS_NAME_LEN, (uint16_t)name);
		put32(to + QS_SECONDS, (uint32_t)s->info.seconds);
		put32(to + QS_NANOSECONDS, s->nanoseconds);
		put64(to + QS_VM_CLOCK, s->info.vm_clock);
		put32(to + QS_VM_STATE, s->info.vm_state > UINT32_MAX ?
						UINT32_MAX :
						(uint32_t)s->info.vm_state);
		put32(to + QS_EXTRA_LEN, s->extra_len);
		memcpy(to + QS_LENGTH, s->extra, s->extra_len);
		memcpy(to + QS_LENGTH + s->extra_len, s->info.id, id);
		memcpy(to + QS_LENGTH + s->extra_len + id, s->info.name, name);
		to += entry_bytes(s);
	}
	return table;
}

/* The image has these @count snapshots from now on. */
static int replace_table(struct qcow2 *q, const struct qcow2_snapshot *s,
			 uint32_t count)
{
	uint64_t old = q->snapshots_offset, offset = 0;
	uint64_t old_clusters = qcow2_clusters(q, q->snapshots_bytes), clusters;
	uint32_t bytes;
	uint8_t *table = pack_table(s, count, &bytes);
	int rc = 0;

	clusters = qcow2_clusters(q, bytes);
	if (!table)
		return -ENOMEM;
	if (bytes > QCOW2_SNAPSHOT_BYTES)
		rc = -EFBIG;
	else if (clusters)
		rc = qcow2_alloc(q, (uint32_t)clusters, (uint32_t)clusters,
				 &offset, NULL);
	if (rc >= 0)
		rc = qcow2_commit(q, true);
	if (!rc)
		rc = qcow2_pwrite(q, table, bytes, offset);
	if (!rc)
		rc = qcow2_sync(q);
	free(table);
	if (rc)
		return rc;
	put32(q->header + QH_NR_SNAPSHOTS, count);
	put64(q->header + QH_SNAPSHOTS_OFFSET, offset);
	rc = qcow2_write_header(q);
	if (!rc)
		rc = qcow2_sync(q);
	if (rc)
		return rc;
	q->snapshots_offset = offset;
	q->snapshots_bytes = bytes;
	return old_clusters ? qcow2_free_later(q, old, old_clusters) : 0;
}

const struct qcow2_snapshot_info *qcow2_snapshot_at(struct qcow2 *q,
						    uint32_t index)
{
	return index < q->nr_snapshots ? &q->snapshots[index].info : NULL;
}

/* Names first: an ID can look like another one's name. */
static struct qcow2_snapshot *find(struct qcow2 *q, const char *name)
{
	uint32_t i;

	for (i = 0; i < q->nr_snapshots; i++)
		if (!strcmp(q->snapshots[i].info.name, name))
			return &q->snapshots[i];
	for (i = 0; i < q->nr_snapshots; i++)
		if (!strcmp(q->snapshots[i].info.id, name))
			return &q->snapshots[i];
	return NULL;
}

/* ---- what an L1 table leads to ----------------------------------------------- */

/* One reference more to what an L2 entry points to. */
static int ref_entry(struct qcow2 *q, uint64_t entry)
{
	uint64_t at = entry & QCOW2_OFFSET, last;
	uint32_t len;
	int rc = 0;

	if (!(entry & QCOW2_COMPRESSED)) {
		if (!qcow2_aligned(q, at))
			return qcow2_bad(q, "a cluster is at %#" PRIx64, at);
		return at ? qcow2_refcount_add(q, qcow2_cluster_of(q, at), 1) :
			    0;
	}
	at = qcow2_packed_at(q, entry, &len);
	last = qcow2_cluster_of(q, at + len - 1);
	for (at = qcow2_cluster_of(q, at); at <= last && !rc; at++)
		rc = qcow2_refcount_add(q, at, 1);
	return rc;
}

/* References to all that @l1 leads to: one more, or one less. */
static int ref_tree(struct qcow2 *q, const uint64_t *l1, uint32_t size,
		    bool more)
{
	struct qcow2_table *table;
	uint64_t offset;
	uint32_t i, n;
	int rc = 0;

	for (i = 0; i < size && !rc; i++) {
		offset = l1[i] & QCOW2_OFFSET;
		if (!offset)
			continue;
		rc = qcow2_load_l2(q, l1[i], &table);
		for (n = 0; n < q->cluster_size && !rc; n += 8)
			rc = more ? ref_entry(q, get64(table->data + n)) :
				    qcow2_free_entry(q, get64(table->data + n));
		if (!rc)
			rc = more ? qcow2_refcount_add(q,
						       qcow2_cluster_of(q,
									offset),
						       1) :
				    qcow2_free_later(q, offset, 1);
		if (!rc)
			rc = qcow2_trim(q);
	}
	return rc;
}

static int refresh_l2(struct qcow2 *q, struct qcow2_table *table)
{
	uint64_t entry, count, new;
	uint32_t n;
	int rc;

	for (n = 0; n < q->cluster_size; n += 8) {
		entry = get64(table->data + n);
		if (entry & QCOW2_COMPRESSED || !(entry & QCOW2_OFFSET))
			continue;
		rc = qcow2_refcount(q,
				    qcow2_cluster_of(q, entry & QCOW2_OFFSET),
				    &count);
		if (rc)
			return rc;
		new = count == 1 ? entry | QCOW2_COPIED : entry & ~QCOW2_COPIED;
		if (new == entry)
			continue;
		put64(table->data + n, new);
		qcow2_dirty(&q->l2, table);
	}
	return 0;
}

int qcow2_refresh_copied(struct qcow2 *q)
{
	struct qcow2_table *table;
	uint64_t offset, count;
	uint32_t i;
	int rc = 0;

	for (i = 0; i < q->l1_size && !rc; i++) {
		offset = q->l1[i] & QCOW2_OFFSET;
		if (!offset)
			continue;
		rc = qcow2_refcount(q, qcow2_cluster_of(q, offset), &count);
		if (!rc && !(q->l1[i] & QCOW2_COPIED) != (count != 1))
			qcow2_l1_set(q, i,
				     count == 1 ? q->l1[i] | QCOW2_COPIED :
						  offset);
		if (!rc)
			rc = qcow2_load_l2(q, q->l1[i], &table);
		if (!rc)
			rc = refresh_l2(q, table);
		if (!rc)
			rc = qcow2_trim(q);
	}
	return rc;
}

/* The L2 tables that may not be overwritten are now those of the L1 table. */
static int reset_tables(struct qcow2 *q)
{
	uint32_t i;
	int rc = 0;

	free(q->tables.slots);
	q->tables = (struct qcow2_set){ 0 };
	for (i = 0; i < q->l1_size && rc >= 0; i++)
		if (q->l1[i] & QCOW2_OFFSET)
			rc = qcow2_set_add(&q->tables,
					   qcow2_cluster_of(q,
							    q->l1[i] &
								    QCOW2_OFFSET));
	for (i = 0; i < q->reftable_size && rc >= 0; i++)
		if (q->reftable[i])
			rc = qcow2_set_add(&q->tables,
					   qcow2_cluster_of(q, q->reftable[i]));
	return rc < 0 ? rc : 0;
}

/* ---- create, apply, delete --------------------------------------------------- */

static int new_id(const struct qcow2 *q, char **id)
{
	unsigned long highest = 0, n;
	uint32_t i;

	for (i = 0; i < q->nr_snapshots; i++) {
		n = strtoul(q->snapshots[i].info.id, NULL, 10);
		if (n > highest && n < UINT32_MAX)
			highest = n;
	}
	return asprintf(id, "%lu", highest + 1) < 0 ? -ENOMEM : 0;
}

static int fill_snapshot(struct qcow2 *q, struct qcow2_snapshot *s,
			 const char *name)
{
	struct timespec now;
	int rc;

	clock_gettime(CLOCK_REALTIME, &now);
	s->info.seconds = (uint64_t)now.tv_sec;
	s->nanoseconds = (uint32_t)now.tv_nsec;
	s->info.size = q->size;
	s->info.name = strdup(name);
	s->extra_len = QS_EXTRA_MIN;
	s->extra = calloc(1, QS_EXTRA_MIN);
	rc = new_id(q, &s->info.id);
	if (rc)
		s->info.id = NULL;
	if (rc || !s->info.name || !s->extra)
		return -ENOMEM;
	put64(s->extra + 8, q->size);
	return 0;
}

static int write_l1_copy(struct qcow2 *q, struct qcow2_snapshot *s)
{
	uint32_t clusters = (uint32_t)qcow2_clusters(q, q->l1_size * 8ULL), i;
	uint64_t *copy;
	int rc;

	s->l1_size = q->l1_size;
	if (!q->l1_size)
		return 0;
	rc = qcow2_alloc(q, clusters, clusters, &s->l1_offset, NULL);
	if (rc < 0)
		return rc;
	copy = malloc(q->l1_size * sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	for (i = 0; i < q->l1_size; i++)
		copy[i] = q->l1[i] & ~QCOW2_COPIED;
	rc = qcow2_write_table(q, s->l1_offset, copy, 0, q->l1_size);
	free(copy);
	return rc;
}

static int create(struct qcow2 *q, const char *name)
{
	struct qcow2_snapshot new = { 0 }, *all;
	int rc;

	all = reallocarray(q->snapshots, q->nr_snapshots + 1, sizeof(*all));
	if (!all)
		return -ENOMEM;
	q->snapshots = all;
	rc = fill_snapshot(q, &new, name);
	if (!rc)
		rc = qcow2_settle(q);
	if (!rc)
		rc = write_l1_copy(q, &new);
	if (!rc)
		rc = ref_tree(q, q->l1, q->l1_size, true);
	if (!rc)
		rc = qcow2_refresh_copied(q);
	if (!rc)
		rc = qcow2_commit(q, true);
	all[q->nr_snapshots] = new;
	if (!rc)
		rc = replace_table(q, all, q->nr_snapshots + 1);
	if (rc) {
		free_snapshot(&new);
		return rc;
	}
	q->nr_snapshots++;
	return qcow2_settle(q);
}

int qcow2_snapshot_create(struct qcow2 *q, const char *name, struct error *err)
{
	int rc;

	if (!*name || strlen(name) > 255)
		return error_set(err, EINVAL,
				 "a snapshot has a name of 1 to 255 bytes");
	if (q->readonly)
		return error_set(err, EROFS, "it is read-only");
	if (q->nr_snapshots >= QCOW2_SNAPSHOTS)
		return error_set(err, EFBIG, "it has too many snapshots");
	/* Found too late, it would leave counts behind. */
	if (q->nr_snapshots + 2ULL > qcow2_refcount_max(q))
		return error_set(err, ERANGE,
				 "refcounts of %u bits cannot count one more "
				 "snapshot",
				 1U << q->refcount_order);
	if (find(q, name))
		return error_set(err, EEXIST,
				 "it has a snapshot %s (vireo img snapshot "
				 "--delete removes it)",
				 name);
	pthread_mutex_lock(&q->lock);
	rc = create(q, name);
	pthread_mutex_unlock(&q->lock);
	if (rc == -ERANGE)
		return error_set(err, ERANGE,
				 "refcounts of %u bits cannot count one more "
				 "snapshot",
				 1U << q->refcount_order);
	return rc ? error_sys(err, -rc, "cannot make snapshot %s", name) : 0;
}

static int apply(struct qcow2 *q, const struct qcow2_snapshot *s)
{
	uint64_t size = s->info.size ? s->info.size : q->size, *l1 = NULL, *old;
	uint32_t old_size = q->l1_size, least, entries;
	int rc;

	least = (uint32_t)((qcow2_clusters(q, size) + (1ULL << q->l2_bits) -
			    1) >>
			   q->l2_bits);
	if (size > INT64_MAX / 2 || least > QCOW2_L1_BYTES / 8)
		return -EFBIG;
	entries = s->l1_size > least ? s->l1_size : least;
	rc = qcow2_settle(q);
	if (rc)
		return rc;
	l1 = calloc(entries ? entries : 1, sizeof(*l1));
	old = malloc((old_size ? old_size : 1) * sizeof(*old));
	if (!l1 || !old) {
		rc = -ENOMEM;
		goto out;
	}
	memcpy(old, q->l1, old_size * sizeof(*old));
	rc = qcow2_pread(q, l1, s->l1_size * sizeof(*l1), s->l1_offset);
	for (least = 0; least < s->l1_size; least++)
		l1[least] = be64toh(l1[least]) & ~QCOW2_COPIED;
	if (!rc)
		rc = ref_tree(q, l1, s->l1_size, true);
	/* An empty table has no place. */
	if (!rc && entries)
		rc = qcow2_replace_l1(q, l1, entries, size);
	if (!rc)
		rc = reset_tables(q);
	if (!rc)
		rc = ref_tree(q, old, old_size, false);
	if (!rc)
		rc = qcow2_settle(q);
	if (!rc)
		rc = qcow2_refresh_copied(q);
	if (!rc)
		rc = qcow2_settle(q);
out:
	if (q->l1 != l1)
		free(l1);
	free(old);
	return rc;
}

int qcow2_snapshot_apply(struct qcow2 *q, const char *name, struct error *err)
{
	struct qcow2_snapshot *s = find(q, name);
	int rc;

	if (!s)
		return error_set(err, ENOENT, "it has no snapshot %s", name);
	if (q->readonly)
		return error_set(err, EROFS, "it is read-only");
	pthread_mutex_lock(&q->lock);
	rc = apply(q, s);
	pthread_mutex_unlock(&q->lock);
	return rc ? error_sys(err, -rc, "cannot go back to snapshot %s", name) :
		    0;
}

static int drop(struct qcow2 *q, struct qcow2_snapshot *s)
{
	uint32_t index = (uint32_t)(s - q->snapshots);
	struct qcow2_snapshot gone = *s;
	uint64_t *l1;
	int rc;

	rc = qcow2_settle(q);
	if (!rc)
		rc = qcow2_read_table(q, gone.l1_offset, gone.l1_size, &l1);
	if (rc)
		return rc;
	memmove(s, s + 1, (q->nr_snapshots - index - 1) * sizeof(*s));
	q->snapshots[q->nr_snapshots - 1] = gone;
	rc = replace_table(q, q->snapshots, q->nr_snapshots - 1);
	if (rc) {
		free(l1);
		return rc;
	}
	q->nr_snapshots--;
	rc = ref_tree(q, l1, gone.l1_size, false);
	if (!rc && gone.l1_size)
		rc = qcow2_free_later(q, gone.l1_offset,
				      qcow2_clusters(q, gone.l1_size * 8ULL));
	free_snapshot(&gone);
	free(l1);
	if (!rc)
		rc = qcow2_settle(q);
	if (!rc)
		rc = qcow2_refresh_copied(q);
	return rc ? rc : qcow2_settle(q);
}

int qcow2_snapshot_delete(struct qcow2 *q, const char *name, struct error *err)
{
	struct qcow2_snapshot *s = find(q, name);
	int rc;

	if (!s)
		return error_set(err, ENOENT, "it has no snapshot %s", name);
	if (q->readonly)
		return error_set(err, EROFS, "it is read-only");
	pthread_mutex_lock(&q->lock);
	rc = drop(q, s);
	pthread_mutex_unlock(&q->lock);
	return rc ? error_sys(err, -rc, "cannot delete snapshot %s", name) : 0;
}
