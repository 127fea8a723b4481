// SPDX-License-Identifier: GPL-2.0-or-later
/* Where the guest's clusters are: the L1 table and the L2 tables. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "../error.h"
#include "qcow2_image.h"

/* ---- tables ---------------------------------------------------------------- */

int qcow2_read_table(const struct qcow2 *q, uint64_t offset, uint32_t entries,
		     uint64_t **table)
{
	uint64_t *t = calloc(entries ? entries : 1, sizeof(*t));
	uint32_t i;
	int rc;

	if (!t)
		return -ENOMEM;
	rc = qcow2_pread(q, t, entries * sizeof(*t), offset);
	if (rc) {
		free(t);
		return rc;
	}
	for (i = 0; i < entries; i++)
		t[i] = be64toh(t[i]);
	*table = t;
	return 0;
}

int qcow2_write_table(struct qcow2 *q, uint64_t offset, const uint64_t *table,
		      uint32_t from, uint32_t to)
{
	uint64_t part[512];
	uint32_t i, n;
	int rc = 0;

	for (; from < to && !rc; from += n) {
		n = to - from < 512 ? to - from : 512;
		for (i = 0; i < n; i++)
			part[i] = htobe64(table[from + i]);
		rc = qcow2_pwrite(q, part, n * sizeof(*part),
				  offset + from * sizeof(*part));
	}
	return rc;
}

int qcow2_load_l1(struct qcow2 *q, struct error *err)
{
	uint32_t i;
	int rc;

	rc = qcow2_read_table(q, q->l1_offset, q->l1_size, &q->l1);
	if (rc)
		return error_sys(err, -rc, "cannot read its L1 table");
	for (i = 0; i < q->l1_size; i++) {
		uint64_t offset = q->l1[i] & QCOW2_OFFSET;

		if (!offset || q->readonly)
			continue;
		rc = qcow2_aligned(q, offset) ?
			     qcow2_set_add(&q->tables,
					   qcow2_cluster_of(q, offset)) :
			     1;
		if (rc < 0)
			return error_sys(err, ENOMEM, "cannot open it");
		if (rc && !q->repairing)
			return error_set(err, EINVAL,
					 "entry %u of its L1 table is wrong "
					 "(vireo img check says more; convert "
					 "it to save what is good)",
					 i);
	}
	return 0;
}

int qcow2_load_l2(struct qcow2 *q, uint64_t l1_entry,
		  struct qcow2_table **table)
{
	uint64_t offset = l1_entry & QCOW2_OFFSET;

	if (!qcow2_aligned(q, offset) || offset >= q->file_size)
		return qcow2_bad(q, "an L2 table is at %#" PRIx64, offset);
	return qcow2_load(q, &q->l2, offset, table);
}

static uint64_t l2_mask(const struct qcow2 *q)
{
	return (1ULL << q->l2_bits) - 1;
}

static uint64_t l2_get(const struct qcow2_table *table, uint64_t index)
{
	return get64(table->data + index * 8);
}

/* The L2 table of a guest cluster, such that it can be changed. */
static int own_l2(struct qcow2 *q, uint64_t cluster, struct qcow2_table **table)
{
	uint32_t index = (uint32_t)(cluster >> q->l2_bits);
	struct qcow2_table *old = NULL;
	uint64_t entry, offset;
	int rc;

	if (cluster >> q->l2_bits >= q->l1_size)
		return qcow2_bad(q, "the L1 table is too small");
	entry = q->l1[index];
	if (entry & QCOW2_COPIED && entry & QCOW2_OFFSET)
		return qcow2_load_l2(q, entry, table);
	if (entry & QCOW2_OFFSET) {
		rc = qcow2_load_l2(q, entry, &old);
		if (rc)
			return rc;
	}
	rc = qcow2_alloc(q, 1, 1, &offset, NULL);
	if (rc < 0)
		return rc;
	rc = qcow2_set_add(&q->tables, qcow2_cluster_of(q, offset));
	if (!rc)
		rc = qcow2_new_table(q, &q->l2, offset, table);
	if (rc)
		return rc;
	if (old) {
		memcpy((*table)->data, old->data, q->cluster_size);
		qcow2_set_del(&q->tables, qcow2_cluster_of(q, old->offset));
		rc = qcow2_free_later(q, old->offset, 1);
		qcow2_forget(q, &q->l2, entry & QCOW2_OFFSET);
	}
	qcow2_l1_set(q, index, offset | QCOW2_COPIED);
	return rc;
}

/* ---- entries --------------------------------------------------------------- */

uint64_t qcow2_packed_at(const struct qcow2 *q, uint64_t entry, uint32_t *len)
{
	unsigned int shift = 62 - (q->cluster_bits - 8);
	uint64_t at = entry & ((1ULL << shift) - 1) & (QCOW2_OFFSET_LIMIT - 1);
	uint64_t sectors = (entry & (QCOW2_COMPRESSED - 1)) >> shift;

	*len = (uint32_t)((sectors + 1) * 512 - at % 512);
	return at;
}

static int kind_of(struct qcow2 *q, uint64_t entry, enum qcow2_kind *kind)
{
	if (entry & QCOW2_COMPRESSED) {
		*kind = QCOW2_PACKED;
		return 0;
	}
	if (!qcow2_aligned(q, entry & QCOW2_OFFSET))
		return qcow2_bad(q, "a cluster is at %#" PRIx64,
				 (uint64_t)(entry & QCOW2_OFFSET));
	if (entry & QCOW2_ZERO) {
		if (q->version < 3)
			return qcow2_bad(q, "it has zero clusters, which are "
					    "not of version 2");
		*kind = QCOW2_ZEROS;
	} else {
		*kind = entry & QCOW2_OFFSET ? QCOW2_DATA : QCOW2_UNALLOCATED;
	}
	return 0;
}

int qcow2_free_entry(struct qcow2 *q, uint64_t entry)
{
	uint64_t at = entry & QCOW2_OFFSET;
	uint32_t len;

	if (entry & QCOW2_COMPRESSED) {
		at = qcow2_packed_at(q, entry, &len);
		return qcow2_free_later(q, at,
					qcow2_cluster_of(q, at + len - 1) -
						qcow2_cluster_of(q, at) + 1);
	}
	return at ? qcow2_free_later(q, at, 1) : 0;
}

/* ---- reading --------------------------------------------------------------- */

int qcow2_lookup(struct qcow2 *q, uint64_t offset, uint64_t len,
		 struct qcow2_extent *extent)
{
	uint64_t cluster = qcow2_cluster_of(q, offset), entry;
	uint64_t index = cluster & l2_mask(q), at, next;
	uint64_t in = offset & (q->cluster_size - 1);
	struct qcow2_table *table;
	enum qcow2_kind kind;
	int rc;

	/* Not behind the end of this L2 table. */
	at = ((l2_mask(q) + 1 - index) << q->cluster_bits) - in;
	if (len > at)
		len = at;
	extent->kind = QCOW2_UNALLOCATED;
	extent->len = len;
	if (cluster >> q->l2_bits >= q->l1_size)
		return qcow2_bad(q, "the L1 table is too small");
	entry = q->l1[cluster >> q->l2_bits];
	if (!(entry & QCOW2_OFFSET))
		return 0;
	rc = qcow2_load_l2(q, entry, &table);
	if (rc)
		return rc;

	entry = l2_get(table, index);
	rc = kind_of(q, entry, &extent->kind);
	if (rc)
		return rc;
	at = q->cluster_size - in;
	if (extent->kind == QCOW2_PACKED) {
		extent->host = qcow2_packed_at(q, entry, &extent->packed);
		extent->len = len < at ? len : at;
		return 0;
	}
	extent->host = (entry & QCOW2_OFFSET) + in;
	next = (entry & QCOW2_OFFSET) + q->cluster_size;
	while (at < len) {
		entry = l2_get(table, ++index);
		rc = kind_of(q, entry, &kind);
		if (rc)
			return rc;
		if (kind != extent->kind ||
		    (kind == QCOW2_DATA && (entry & QCOW2_OFFSET) != next))
			break;
		next += q->cluster_size;
		at += q->cluster_size;
	}
	extent->len = len < at ? len : at;
	return 0;
}

/* ---- writing --------------------------------------------------------------- */

/* What has to be done to write to a cluster with this entry. */
enum how {
	HOW_IN_PLACE,
	HOW_REUSE, /* it reads as zeros, but has a place on disk */
	HOW_ALLOCATE,
};

static int how_to_write(struct qcow2 *q, uint64_t entry, enum how *how)
{
	enum qcow2_kind kind;
	int rc = kind_of(q, entry, &kind);

	*how = HOW_ALLOCATE;
	if (!rc && kind != QCOW2_PACKED && entry & QCOW2_COPIED &&
	    entry & QCOW2_OFFSET)
		*how = kind == QCOW2_DATA ? HOW_IN_PLACE : HOW_REUSE;
	return rc;
}

/* How many clusters from @cluster on are written in one go. */
static int run_length(struct qcow2 *q, uint64_t cluster, uint32_t max,
		      enum how *how, uint64_t *host, uint32_t *count)
{
	uint64_t index = cluster & l2_mask(q), entry;
	struct qcow2_table *table;
	enum how next;
	int rc;

	*how = HOW_ALLOCATE;
	*count = max;
	if (cluster >> q->l2_bits >= q->l1_size)
		return qcow2_bad(q, "the L1 table is too small");
	entry = q->l1[cluster >> q->l2_bits];
	if (!(entry & QCOW2_OFFSET))
		return 0;
	rc = qcow2_load_l2(q, entry, &table);
	if (rc)
		return rc;
	/* Of a table that snapshots have, too, no cluster is our own. */
	if (!(entry & QCOW2_COPIED))
		return 0;
	entry = l2_get(table, index);
	rc = how_to_write(q, entry, how);
	*host = entry & QCOW2_OFFSET;
	for (*count = 1; !rc && *count < max; ++*count) {
		entry = l2_get(table, index + *count);
		rc = how_to_write(q, entry, &next);
		if (next != *how ||
		    (next != HOW_ALLOCATE &&
		     (entry & QCOW2_OFFSET) !=
			     *host + ((uint64_t)*count << q->cluster_bits)))
			break;
	}
	return rc;
}

int qcow2_place(struct qcow2 *q, uint64_t offset, uint64_t len,
		struct qcow2_place *place)
{
	uint64_t first = qcow2_cluster_of(q, offset), host = 0, max, most;
	uint64_t in = offset & (q->cluster_size - 1);
	uint32_t count;
	enum how how;
	int rc;

	max = qcow2_clusters(q, in + len);
	most = l2_mask(q) + 1 - (first & l2_mask(q));
	if (max > most)
		max = most;
	rc = run_length(q, first, (uint32_t)max, &how, &host, &count);
	if (rc)
		return rc;
	place->entry = 0;
	place->fresh = false;
	place->in_place = how == HOW_IN_PLACE;
	place->reused = how == HOW_REUSE;
	if (how == HOW_ALLOCATE) {
		rc = qcow2_alloc(q, count, 1, &host, &place->fresh);
		if (rc < 0)
			return rc;
		count = (uint32_t)rc;
	} else {
		rc = qcow2_may_write(q, host,
				     (uint64_t)count << q->cluster_bits);
		if (!rc)
			rc = qcow2_extend(q, host + ((uint64_t)count
						     << q->cluster_bits));
		if (rc)
			return rc;
	}
	place->first = first;
	place->clusters = count;
	place->host = host + in;
	place->len = ((uint64_t)count << q->cluster_bits) - in;
	if (place->len > len)
		place->len = len;
	return 0;
}

int qcow2_link(struct qcow2 *q, const struct qcow2_place *place)
{
	uint64_t host = place->host & ~(uint64_t)(q->cluster_size - 1), old;
	struct qcow2_table *table;
	uint8_t *entry;
	uint32_t i;
	int rc;

	rc = own_l2(q, place->first, &table);
	for (i = 0; i < place->clusters && !rc; i++) {
		entry = table->data + ((place->first + i) & l2_mask(q)) * 8;
		old = get64(entry);
		if (!place->reused)
			rc = qcow2_free_entry(q, old);
		if (rc)
			break;
		put64(entry, place->entry ? place->entry : host | QCOW2_COPIED);
		qcow2_dirty(&q->l2, table);
		host += q->cluster_size;
	}
	return rc;
}

int qcow2_unplace(struct qcow2 *q, const struct qcow2_place *place)
{
	if (place->in_place || place->reused)
		return 0;
	return qcow2_free_later(q,
				place->host & ~(uint64_t)(q->cluster_size - 1),
				place->clusters);
}

/* ---- zeros and nothing ----------------------------------------------------- */

/* The entry that @entry becomes; -EOPNOTSUPP: zeros have to be written. */
static int cleared(const struct qcow2 *q, uint64_t entry, enum qcow2_clear how,
		   uint64_t *to)
{
	bool data = !(entry & QCOW2_COMPRESSED) && entry & QCOW2_OFFSET;

	*to = 0;
	if (how == QCOW2_DROP || (!q->backing && !entry))
		return 0;
	if (how == QCOW2_DISCARD && (!entry || (q->backing && q->version < 3)))
		*to = entry;
	else if (how == QCOW2_ZERO_KEEP && data && entry & QCOW2_COPIED)
		*to = entry | QCOW2_ZERO;
	else if (how == QCOW2_ZERO_KEEP || q->backing)
		*to = QCOW2_ZERO;
	return *to & QCOW2_ZERO && q->version < 3 ? -EOPNOTSUPP : 0;
}

int qcow2_clear(struct qcow2 *q, uint64_t first, uint64_t clusters,
		enum qcow2_clear how, uint64_t *done)
{
	uint64_t index = first & l2_mask(q), old, new, l1_entry;
	struct qcow2_table *table = NULL;
	bool owned = false;
	uint64_t i;
	int rc;

	if (clusters > l2_mask(q) + 1 - index)
		clusters = l2_mask(q) + 1 - index;
	*done = clusters;
	if (first >> q->l2_bits >= q->l1_size)
		return how == QCOW2_DROP ?
			       0 :
			       qcow2_bad(q, "the L1 table is too small");
	l1_entry = q->l1[first >> q->l2_bits];
	for (i = 0; i < clusters; i++, index++) {
		if (!table && l1_entry & QCOW2_OFFSET) {
			rc = qcow2_load_l2(q, l1_entry, &table);
			if (rc)
				return rc;
		}
		old = table ? l2_get(table, index) : 0;
		rc = cleared(q, old, how, &new);
		if (rc)
			return rc;
		if (new == old)
			continue;
		if (!owned) {
			rc = own_l2(q, first, &table);
			if (rc)
				return rc;
			owned = true;
		}
		if ((new &QCOW2_OFFSET) != (old & QCOW2_OFFSET) ||
		    old & QCOW2_COMPRESSED)
			rc = qcow2_free_entry(q, old);
		if (rc)
			return rc;
		put64(table->data + index * 8, new);
		qcow2_dirty(&q->l2, table);
	}
	return 0;
}
