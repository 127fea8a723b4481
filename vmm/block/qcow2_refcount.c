// SPDX-License-Identifier: GPL-2.0-or-later
/* Which clusters of the file are in use, and how often. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "../error.h"
#include "qcow2_image.h"

uint64_t qcow2_refcount_max(const struct qcow2 *q)
{
	return q->refcount_order == 6 ? UINT64_MAX :
					(1ULL << (1U << q->refcount_order)) - 1;
}

uint64_t qcow2_refblock_get(const struct qcow2 *q, const void *block,
			    uint64_t index)
{
	const uint8_t *b = block;
	unsigned int bits, shift;

	switch (q->refcount_order) {
	case 3:
		return b[index];
	case 4:
		return get16(b + 2 * index);
	case 5:
		return get32(b + 4 * index);
	case 6:
		return get64(b + 8 * index);
	}
	bits = 1U << q->refcount_order;
	shift = (unsigned int)(index * bits % 8);
	return (b[index * bits / 8] >> shift) & ((1U << bits) - 1);
}

void qcow2_refblock_put(const struct qcow2 *q, void *block, uint64_t index,
			uint64_t count)
{
	unsigned int bits, shift, mask;
	uint8_t *b = block;

	switch (q->refcount_order) {
	case 3:
		b[index] = (uint8_t)count;
		return;
	case 4:
		put16(b + 2 * index, (uint16_t)count);
		return;
	case 5:
		put32(b + 4 * index, (uint32_t)count);
		return;
	case 6:
		put64(b + 8 * index, count);
		return;
	}
	bits = 1U << q->refcount_order;
	shift = (unsigned int)(index * bits % 8);
	mask = ((1U << bits) - 1) << shift;
	b += index * bits / 8;
	*b = (uint8_t)((*b & ~mask) | (unsigned int)count << shift);
}

static uint64_t block_mask(const struct qcow2 *q)
{
	return (1ULL << q->refblock_bits) - 1;
}

/* *block is NULL if there is none: all its clusters are free. */
static int load_block(struct qcow2 *q, uint64_t index,
		      struct qcow2_table **block)
{
	uint64_t offset = index < q->reftable_size ? q->reftable[index] : 0;

	*block = NULL;
	if (!offset)
		return 0;
	if (!qcow2_aligned(q, offset) || offset >= QCOW2_OFFSET_LIMIT)
		return qcow2_bad(q,
				 "refcount block %" PRIu64 " is at %#" PRIx64,
				 index, offset);
	return qcow2_load(q, &q->refblocks, offset, block);
}

int qcow2_refcount(struct qcow2 *q, uint64_t cluster, uint64_t *count)
{
	struct qcow2_table *block;
	int rc = load_block(q, cluster >> q->refblock_bits, &block);

	*count = 0;
	if (!rc && block)
		*count = qcow2_refblock_get(q, block->data,
					    cluster & block_mask(q));
	return rc;
}

static void reftable_set(struct qcow2 *q, uint32_t index, uint64_t offset)
{
	q->reftable[index] = offset;
	if (q->reftable_from >= q->reftable_to) {
		q->reftable_from = index;
		q->reftable_to = index + 1;
	} else if (index < q->reftable_from) {
		q->reftable_from = index;
	} else if (index >= q->reftable_to) {
		q->reftable_to = index + 1;
	}
}

/* ---- the refcount table gets larger ---------------------------------------- */

/*
 * The new table goes behind all that the old one covers, after the blocks that
 * count both; @blocks and @clusters say how many.
 */
static int plan_reftable(const struct qcow2 *q, uint64_t index,
			 uint64_t *blocks, uint64_t *clusters)
{
	uint64_t per_block = 1ULL << q->refblock_bits, entries;

	*blocks = 1;
	for (;;) {
		entries = q->reftable_size + *blocks;
		if (entries <= index)
			entries = index + 1;
		entries += entries / 2;
		*clusters = qcow2_clusters(q, entries * 8);
		if (*clusters * q->cluster_size > QCOW2_REFTABLE_BYTES)
			return -EFBIG;
		if (*blocks + *clusters <= *blocks * per_block)
			return 0;
		++*blocks;
	}
}

static int write_new_reftable(struct qcow2 *q, uint64_t start, uint64_t blocks,
			      uint64_t clusters, const uint64_t *table)
{
	uint64_t i, n, used = blocks + clusters;
	uint8_t *block = malloc(q->cluster_size);
	int rc = block ? 0 : -ENOMEM;

	for (i = 0; i < blocks && !rc; i++) {
		memset(block, 0, q->cluster_size);
		for (n = 0; n <= block_mask(q) && used; n++, used--)
			qcow2_refblock_put(q, block, n, 1);
		rc = qcow2_pwrite(q, block, q->cluster_size,
				  start + (i << q->cluster_bits));
	}
	free(block);
	if (!rc)
		rc = qcow2_write_table(q, start + (blocks << q->cluster_bits),
				       table, 0,
				       (uint32_t)(clusters
						  << (q->cluster_bits - 3)));
	return rc ? rc : qcow2_sync(q);
}

/* So that entry @index exists.  What is in the old table stays valid. */
static int grow_reftable(struct qcow2 *q, uint64_t index)
{
	uint64_t start = (uint64_t)q->reftable_size
			 << (q->refblock_bits + q->cluster_bits);
	uint64_t blocks, clusters, old_offset, old_clusters, i, *table;
	uint8_t field[12];
	int rc;

	rc = plan_reftable(q, index, &blocks, &clusters);
	if (rc)
		return rc;
	if (start + ((blocks + clusters) << q->cluster_bits) >=
	    QCOW2_OFFSET_LIMIT)
		return -EFBIG;
	rc = qcow2_may_write(q, start, (blocks + clusters) << q->cluster_bits);
	if (rc)
		return rc;
	table = calloc(clusters << (q->cluster_bits - 3), sizeof(*table));
	if (!table)
		return -ENOMEM;
	memcpy(table, q->reftable, q->reftable_size * sizeof(*table));
	for (i = 0; i < blocks; i++)
		table[q->reftable_size + i] = start + (i << q->cluster_bits);
	/* Blocks that the table did not name yet are written with it. */
	rc = qcow2_commit(q, true);
	if (!rc)
		rc = write_new_reftable(q, start, blocks, clusters, table);
	for (i = 0; i < blocks && !rc; i++)
		if (qcow2_set_add(&q->tables, qcow2_cluster_of(q, start) + i))
			rc = -ENOMEM;
	if (rc)
		goto err_free;

	old_offset = q->reftable_offset;
	old_clusters = qcow2_clusters(q, (uint64_t)q->reftable_size * 8);
	put64(field, start + (blocks << q->cluster_bits));
	put32(field + 8, (uint32_t)clusters);
	memcpy(q->header + QH_REFTABLE_OFFSET, field, sizeof(field));
	rc = qcow2_write_header(q);
	if (!rc)
		rc = qcow2_sync(q);
	if (rc)
		goto err_free;
	free(q->reftable);
	q->reftable = table;
	q->reftable_offset = get64(field);
	q->reftable_size = (uint32_t)(clusters << (q->cluster_bits - 3));
	i = start + ((blocks + clusters) << q->cluster_bits);
	if (i > q->fresh_from)
		q->fresh_from = i;
	return qcow2_free_later(q, old_offset, old_clusters);

err_free:
	free(table);
	return rc;
}

/*
 * The block of @cluster for a change.  If there is none, *block is NULL and
 * the cluster itself, which is free, becomes one.
 */
static int need_block(struct qcow2 *q, uint64_t cluster,
		      struct qcow2_table **block)
{
	uint64_t index = cluster >> q->refblock_bits, at = cluster;
	int rc;

	if (index >= q->reftable_size) {
		rc = grow_reftable(q, index);
		if (rc)
			return rc;
	}
	rc = load_block(q, index, block);
	if (rc || *block)
		return rc;
	rc = qcow2_may_write(q, at << q->cluster_bits, q->cluster_size);
	if (rc)
		return rc;
	rc = qcow2_set_add(&q->tables, at);
	if (rc)
		return rc < 0 ? rc : -EIO;
	rc = qcow2_new_table(q, &q->refblocks, at << q->cluster_bits, block);
	if (rc) {
		qcow2_set_del(&q->tables, at);
		return rc;
	}
	qcow2_refblock_put(q, (*block)->data, at & block_mask(q), 1);
	reftable_set(q, (uint32_t)index, at << q->cluster_bits);
	if ((at + 1) << q->cluster_bits > q->fresh_from)
		q->fresh_from = (at + 1) << q->cluster_bits;
	*block = NULL;
	return 0;
}

/* As need_block, but with the block behind all that is in use. */
int qcow2_make_block(struct qcow2 *q, uint64_t cluster)
{
	uint64_t index = cluster >> q->refblock_bits, at;
	struct qcow2_table *block;
	int rc = 0;

	if (index >= q->reftable_size)
		rc = grow_reftable(q, index);
	if (rc || q->reftable[index])
		return rc;
	at = qcow2_clusters(q, q->file_size > q->fresh_from ? q->file_size :
							      q->fresh_from);
	/* Its own refcount comes from the block of its own place. */
	while (at >> q->refblock_bits != index &&
	       !(at >> q->refblock_bits < q->reftable_size &&
		 q->reftable[at >> q->refblock_bits])) {
		rc = qcow2_make_block(q, at);
		if (rc || q->reftable[index])
			return rc;
		at = qcow2_clusters(q, q->fresh_from);
	}
	rc = qcow2_set_add(&q->tables, at);
	if (!rc)
		rc = qcow2_new_table(q, &q->refblocks, at << q->cluster_bits,
				     &block);
	if (rc)
		return rc < 0 ? rc : -EIO;
	reftable_set(q, (uint32_t)index, at << q->cluster_bits);
	q->fresh_from = (at + 1) << q->cluster_bits;
	if (at >> q->refblock_bits == index) {
		qcow2_refblock_put(q, block->data, at & block_mask(q), 1);
		return 0;
	}
	return qcow2_refcount_set(q, at, 1);
}

int qcow2_refcount_set(struct qcow2 *q, uint64_t cluster, uint64_t count)
{
	struct qcow2_table *block;
	int rc = load_block(q, cluster >> q->refblock_bits, &block);

	if (rc)
		return rc;
	if (!block) /* its maker sees to it that there is one */
		return -EINVAL;
	qcow2_refblock_put(q, block->data, cluster & block_mask(q), count);
	qcow2_dirty(&q->refblocks, block);
	if (!count && cluster < q->free_hint)
		q->free_hint = cluster;
	if (!count && cluster == qcow2_cluster_of(q, q->packed_next))
		q->packed_next = 0;
	return 0;
}

int qcow2_refcount_add(struct qcow2 *q, uint64_t cluster, int delta)
{
	uint64_t count;
	int rc = qcow2_refcount(q, cluster, &count);

	if (rc)
		return rc;
	if (!count)
		return qcow2_bad(q, "cluster %#" PRIx64 " is used but free",
				 cluster << q->cluster_bits);
	if (delta > 0 && count >= qcow2_refcount_max(q))
		return -ERANGE;
	return qcow2_refcount_set(q, cluster,
				  delta > 0 ? count + 1 : count - 1);
}

/* ---- allocating ------------------------------------------------------------ */

/* The first free cluster from @from on, whose block exists then. */
static int find_free(struct qcow2 *q, uint64_t from, uint64_t *cluster)
{
	struct qcow2_table *block;
	uint64_t at = from;
	int rc;

	for (;;) {
		if (at >= QCOW2_OFFSET_LIMIT >> q->cluster_bits)
			return -EFBIG;
		rc = load_block(q, at >> q->refblock_bits, &block);
		if (rc)
			return rc;
		if (!block) {
			rc = need_block(q, at, &block);
			if (rc)
				return rc;
			continue; /* it is there, and it may be @at itself */
		}
		do {
			if (!qcow2_refblock_get(q, block->data,
						at & block_mask(q))) {
				*cluster = at;
				return 0;
			}
			at++;
		} while (at & block_mask(q));
	}
}

/* As many free ones behind @first as the same block has, up to @want. */
static int take_run(struct qcow2 *q, uint64_t first, uint32_t want,
		    uint32_t *got)
{
	struct qcow2_table *block;
	uint64_t at = first;
	int rc = load_block(q, first >> q->refblock_bits, &block);

	if (rc)
		return rc;
	do {
		qcow2_refblock_put(q, block->data, at & block_mask(q), 1);
		at++;
	} while (at - first < want && (at & block_mask(q)) &&
		 !qcow2_refblock_get(q, block->data, at & block_mask(q)));
	qcow2_dirty(&q->refblocks, block);
	*got = (uint32_t)(at - first);
	return 0;
}

static int give_back(struct qcow2 *q, uint64_t first, uint64_t count)
{
	int rc = 0;

	for (; count && !rc; count--, first++)
		rc = qcow2_refcount_set(q, first, 0);
	return rc;
}

int qcow2_alloc(struct qcow2 *q, uint32_t want, uint32_t least,
		uint64_t *offset, bool *fresh)
{
	uint64_t from = q->free_hint, first = 0, next, end;
	uint32_t total = 0, got;
	int rc;

	if (q->corrupt)
		return -EIO;
	/* A run that is too short is given back, and the search goes on. */
	for (;;) {
		rc = find_free(q, from, &next);
		if (!rc && total && next != first + total) {
			rc = give_back(q, first, total);
			from = next;
			total = 0;
		}
		if (!rc)
			rc = take_run(q, next, want - total, &got);
		if (rc)
			goto err_back;
		if (!total) {
			first = next;
			if (least == 1)
				q->free_hint = first;
		}
		total += got;
		from = first + total;
		if (total >= least)
			break;
	}
	if (least == 1 || q->free_hint == first)
		q->free_hint = first + total;
	*offset = first << q->cluster_bits;
	rc = qcow2_may_write(q, *offset, (uint64_t)total << q->cluster_bits);
	if (rc)
		return rc;
	end = *offset + ((uint64_t)total << q->cluster_bits);
	if (fresh)
		*fresh = q->regular && *offset >= q->fresh_from;
	if (end > q->fresh_from)
		q->fresh_from = end;
	rc = qcow2_extend(q, end);
	if (rc)
		goto err_back;
	return (int)total;

err_back:
	give_back(q, first, total);
	return rc;
}

/* ---- freeing --------------------------------------------------------------- */

int qcow2_free_later(struct qcow2 *q, uint64_t offset, uint64_t clusters)
{
	uint64_t cluster = qcow2_cluster_of(q, offset);
	struct qcow2_freed *more;
	size_t max;

	for (; clusters; clusters--, cluster++) {
		if (q->nr_freed == q->max_freed) {
			max = q->max_freed ? 2 * q->max_freed : 64;
			more = realloc(q->freed, max * sizeof(*more));
			if (!more)
				return -ENOMEM;
			q->freed = more;
			q->max_freed = max;
		}
		q->freed[q->nr_freed++] = (struct qcow2_freed){
			.cluster = cluster,
			.when = ++q->clock,
		};
	}
	return 0;
}

int qcow2_free_now(struct qcow2 *q)
{
	uint64_t oldest = qcow2_oldest(q);
	size_t i = 0;
	int rc = 0;

	for (; i < q->nr_freed && q->freed[i].when < oldest && !rc; i++)
		rc = qcow2_refcount_add(q, q->freed[i].cluster, -1);
	if (!i)
		return rc;
	q->nr_freed -= i;
	memmove(q->freed, q->freed + i, q->nr_freed * sizeof(*q->freed));
	return rc;
}

/* ---- what is not to be overwritten ------------------------------------------ */

static bool overlap(const struct qcow2 *q, uint64_t offset, uint64_t len,
		    uint64_t table, uint64_t bytes)
{
	bytes = qcow2_clusters(q, bytes) << q->cluster_bits;
	return table < offset + len && offset < table + bytes;
}

int qcow2_may_write(struct qcow2 *q, uint64_t offset, uint64_t len)
{
	uint64_t cluster = qcow2_cluster_of(q, offset);
	uint64_t last = qcow2_cluster_of(q, offset + len - 1);
	const char *what = NULL;
	uint32_t i;

	if (overlap(q, offset, len, 0, q->cluster_size))
		what = "the header";
	else if (overlap(q, offset, len, q->l1_offset, q->l1_size * 8ULL))
		what = "the L1 table";
	else if (overlap(q, offset, len, q->reftable_offset,
			 q->reftable_size * 8ULL))
		what = "the refcount table";
	else if (overlap(q, offset, len, q->snapshots_offset,
			 q->snapshots_bytes))
		what = "the snapshot table";
	for (i = 0; i < q->nr_snapshots && !what; i++)
		if (overlap(q, offset, len, q->snapshots[i].l1_offset,
			    q->snapshots[i].l1_size * 8ULL))
			what = "a snapshot's L1 table";
	for (; cluster <= last && !what; cluster++)
		if (qcow2_set_has(&q->tables, cluster))
			what = "a table";
	if (!what)
		return 0;
	return qcow2_bad(q,
			 "a write to %#" PRIx64
			 " would overwrite %s of the image",
			 offset, what);
}

/* ---- opening --------------------------------------------------------------- */

int qcow2_load_reftable(struct qcow2 *q, struct error *err)
{
	uint32_t i;
	int rc;

	rc = qcow2_read_table(q, q->reftable_offset, q->reftable_size,
			      &q->reftable);
	if (rc)
		return error_sys(err, -rc, "cannot read its refcount table");
	for (i = 0; i < q->reftable_size; i++) {
		if (!q->reftable[i] || q->readonly)
			continue;
		rc = qcow2_aligned(q, q->reftable[i]) ?
			     qcow2_set_add(&q->tables,
					   qcow2_cluster_of(q,
							    q->reftable[i])) :
			     1;
		if (rc < 0)
			return error_sys(err, ENOMEM, "cannot open it");
		if (rc && !q->repairing)
			return error_set(err, EINVAL,
					 "entry %u of its refcount table is "
					 "wrong (vireo img check --repair all)",
					 i);
	}
	return 0;
}
