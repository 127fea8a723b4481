// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Are the tables of an image consistent?  All references are counted anew and
 * compared with the refcounts of the image; a repair sets those to what was
 * counted.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "../error.h"
#include "qcow2_image.h"

/* Counts are kept in pages: a file can be large and empty. */
#define PAGE_BITS 16
#define PAGE (1U << PAGE_BITS)

struct count {
	struct qcow2 *q;
	struct qcow2_check *check;
	enum qcow2_repair repair;
	uint32_t **pages;
	uint64_t nr_pages;
	uint64_t clusters; /* of the file */
	uint64_t last;	   /* where the guest cluster before is, or 0 */
};

static void tell(struct count *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void tell(struct count *c, const char *fmt, ...)
{
	char text[160];
	va_list ap;

	if (!c->check->tell)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	c->check->tell(c->check->opaque, text);
}

/* ---- counting ---------------------------------------------------------------- */

static uint32_t counted(const struct count *c, uint64_t cluster)
{
	const uint32_t *page = cluster >> PAGE_BITS < c->nr_pages ?
				       c->pages[cluster >> PAGE_BITS] :
				       NULL;

	return page ? page[cluster & (PAGE - 1)] : 0;
}

/* One reference to each cluster of [@offset, @offset + @bytes). */
static int count_range(struct count *c, const char *what, uint64_t offset,
		       uint64_t bytes)
{
	uint64_t cluster, last;
	uint32_t **page;

	if (!bytes)
		return 0;
	cluster = qcow2_cluster_of(c->q, offset);
	last = qcow2_cluster_of(c->q, offset + bytes - 1);
	if (last >= c->clusters || last < cluster) {
		tell(c, "%s at %#" PRIx64 " is behind the end of the file",
		     what, offset);
		c->check->corruptions++;
		return 0;
	}
	for (; cluster <= last; cluster++) {
		page = &c->pages[cluster >> PAGE_BITS];
		if (!*page)
			*page = calloc(PAGE, sizeof(**page));
		if (!*page)
			return -ENOMEM;
		if ((*page)[cluster & (PAGE - 1)] < UINT32_MAX)
			(*page)[cluster & (PAGE - 1)]++;
	}
	return 0;
}

static int count_table(struct count *c, const char *what, uint64_t offset,
		       uint64_t bytes)
{
	bytes = qcow2_clusters(c->q, bytes) << c->q->cluster_bits;
	return count_range(c, what, offset, bytes);
}

/* For the statistics: only of the active L1 table. */
static void note(struct count *c, uint64_t entry, uint64_t at)
{
	c->check->allocated++;
	if (c->last && at != c->last + c->q->cluster_size)
		c->check->fragmented++;
	c->last = at;
	if (entry & QCOW2_COMPRESSED)
		c->check->compressed++;
}

static int count_l2(struct count *c, struct qcow2_table *table, bool active)
{
	struct qcow2 *q = c->q;
	uint64_t entry, at;
	uint32_t n, len;
	int rc = 0;

	for (n = 0; n < q->cluster_size && !rc; n += 8) {
		entry = get64(table->data + n);
		if (entry & QCOW2_COMPRESSED) {
			at = qcow2_packed_at(q, entry, &len);
			if (entry & QCOW2_COPIED) {
				tell(c,
				     "a compressed cluster at %#" PRIx64
				     " is marked as not shared",
				     at);
				c->check->corruptions++;
			}
		} else {
			at = entry & QCOW2_OFFSET;
			len = q->cluster_size;
			if (entry & QCOW2_ZERO && q->version < 3) {
				tell(c, "a zero cluster in version 2");
				c->check->corruptions++;
			}
			if (!at)
				continue;
			if (!qcow2_aligned(q, at)) {
				tell(c,
				     "a cluster is at %#" PRIx64
				     ", between two",
				     at);
				c->check->corruptions++;
				continue;
			}
		}
		if (active)
			note(c, entry, at);
		rc = count_range(c, "a cluster", at, len);
	}
	return rc;
}

static int count_l1(struct count *c, const uint64_t *l1, uint32_t size,
		    bool active)
{
	struct qcow2 *q = c->q;
	struct qcow2_table *table;
	uint64_t at;
	uint32_t i;
	int rc = 0;

	for (i = 0; i < size && !rc; i++) {
		at = l1[i] & QCOW2_OFFSET;
		if (!at)
			continue;
		if (!qcow2_aligned(q, at) || at >= q->file_size) {
			tell(c, "an L2 table is at %#" PRIx64, at);
			c->check->corruptions++;
			continue;
		}
		/* An L1 table that has it twice is not followed forever. */
		if (active && counted(c, qcow2_cluster_of(q, at))) {
			tell(c,
			     "the L2 table at %#" PRIx64
			     " is something else, too",
			     at);
			c->check->corruptions++;
			rc = count_range(c, "an L2 table", at, q->cluster_size);
			continue;
		}
		rc = count_range(c, "an L2 table", at, q->cluster_size);
		if (rc)
			break;
		if (qcow2_load(q, &q->l2, at, &table)) {
			tell(c, "the L2 table at %#" PRIx64 " cannot be read",
			     at);
			c->check->errors++;
			continue;
		}
		rc = count_l2(c, table, active);
		if (!rc)
			rc = qcow2_trim(q);
	}
	return rc;
}

static int count_snapshots(struct count *c)
{
	struct qcow2 *q = c->q;
	struct qcow2_snapshot *s = q->snapshots;
	uint64_t *l1;
	uint32_t i;
	int rc;

	rc = count_table(c, "the snapshot table", q->snapshots_offset,
			 q->snapshots_bytes);
	for (i = 0; i < q->nr_snapshots && !rc; i++, s++) {
		rc = count_table(c, "a snapshot's L1 table", s->l1_offset,
				 s->l1_size * 8ULL);
		if (!rc)
			rc = qcow2_read_table(q, s->l1_offset, s->l1_size, &l1);
		if (rc)
			break;
		rc = count_l1(c, l1, s->l1_size, false);
		free(l1);
	}
	return rc;
}

/* A directory of tables, each a list of clusters. */
static int count_bitmaps(struct count *c)
{
	struct qcow2 *q = c->q;
	uint64_t at = q->bitmaps_offset, table, *list;
	uint32_t i, n, entries;
	uint8_t head[24];
	int rc;

	if (!q->nr_bitmaps)
		return 0;
	if (q->bitmaps_size > q->file_size ||
	    at > q->file_size - q->bitmaps_size) {
		tell(c, "the directory of bitmaps is not in the file");
		c->check->corruptions++;
		return 0;
	}
	rc = count_table(c, "the directory of bitmaps", at, q->bitmaps_size);
	for (i = 0; i < q->nr_bitmaps && !rc; i++) {
		if (at - q->bitmaps_offset + sizeof(head) > q->bitmaps_size)
			break;
		rc = qcow2_pread(q, head, sizeof(head), at);
		if (rc)
			break;
		at += (sizeof(head) + get16(head + 18) + get32(head + 20) + 7) &
		      ~7ULL;
		table = get64(head);
		entries = get32(head + 8);
		if (entries > q->file_size / 8 || table >= q->file_size) {
			c->check->corruptions++;
			continue;
		}
		rc = count_table(c, "a bitmap's table", table, entries * 8ULL);
		if (!rc)
			rc = qcow2_read_table(q, table, entries, &list);
		if (rc)
			break;
		for (n = 0; n < entries && !rc; n++)
			if (list[n] & QCOW2_OFFSET)
				rc = count_range(c, "a bitmap's cluster",
						 list[n] & QCOW2_OFFSET,
						 q->cluster_size);
		free(list);
	}
	return rc;
}

/* Last: a block that lies on something else gives way in a repair. */
static int count_refcounts(struct count *c)
{
	struct qcow2 *q = c->q;
	uint64_t at;
	uint32_t i;
	int rc;

	rc = count_table(c, "the refcount table", q->reftable_offset,
			 q->reftable_size * 8ULL);
	for (i = 0; i < q->reftable_size && !rc; i++) {
		at = q->reftable[i];
		if (!at)
			continue;
		if (qcow2_aligned(q, at) &&
		    qcow2_cluster_of(q, at) < c->clusters &&
		    !counted(c, qcow2_cluster_of(q, at))) {
			rc = count_range(c, "a refcount block", at,
					 q->cluster_size);
			continue;
		}
		tell(c, "refcount block %u at %#" PRIx64 " is wrong", i, at);
		if (c->repair != QCOW2_REPAIR_ALL) {
			c->check->corruptions++;
			continue;
		}
		c->check->corruptions_fixed++;
		qcow2_forget(q, &q->refblocks, at);
		q->reftable[i] = 0;
		q->reftable_from = 0;
		q->reftable_to = q->reftable_size;
	}
	return rc;
}

static int count_all(struct count *c)
{
	struct qcow2 *q = c->q;
	int rc;

	rc = count_range(c, "the header", 0, q->cluster_size);
	if (!rc)
		rc = count_table(c, "the L1 table", q->l1_offset,
				 q->l1_size * 8ULL);
	if (!rc)
		rc = count_l1(c, q->l1, q->l1_size, true);
	if (!rc)
		rc = count_snapshots(c);
	if (!rc)
		rc = count_bitmaps(c);
	if (!rc)
		rc = count_refcounts(c);
	return rc;
}

/* ---- comparing --------------------------------------------------------------- */

/* One cluster whose refcount is not what was counted. */
static int mismatch(struct count *c, uint64_t cluster, uint64_t stored,
		    uint32_t want)
{
	bool leak = stored > want;
	int rc;

	tell(c,
	     "%s: the cluster at %#" PRIx64 " is used %u times, not %" PRIu64,
	     leak ? "leak" : "error", cluster << c->q->cluster_bits, want,
	     stored);
	if (want > qcow2_refcount_max(c->q) || c->repair == QCOW2_NO_REPAIR ||
	    (!leak && c->repair == QCOW2_REPAIR_LEAKS)) {
		++*(leak ? &c->check->leaks : &c->check->corruptions);
		return 0;
	}
	rc = qcow2_refcount_set(c->q, cluster, want);
	if (!rc)
		++*(leak ? &c->check->leaks_fixed :
			   &c->check->corruptions_fixed);
	return rc;
}

/* A block for the refcounts of @cluster, made behind all that is used. */
static int need_block(struct count *c, uint64_t cluster)
{
	struct qcow2 *q = c->q;
	uint64_t index = cluster >> q->refblock_bits;

	if (index < q->reftable_size && q->reftable[index])
		return 0;
	return qcow2_make_block(q, cluster);
}

static int compare(struct count *c)
{
	struct qcow2 *q = c->q;
	uint64_t cluster, stored;
	uint32_t want;
	int rc = 0;

	for (cluster = 0; cluster < c->clusters && !rc; cluster++) {
		/* Where there are no refcounts, and nothing to count. */
		if (!(cluster & (PAGE - 1)) &&
		    cluster >> q->refblock_bits >= q->reftable_size &&
		    !c->pages[cluster >> PAGE_BITS]) {
			cluster += PAGE - 1;
			continue;
		}
		want = counted(c, cluster);
		if (qcow2_refcount(q, cluster, &stored)) {
			c->check->errors++;
			continue;
		}
		if (want)
			c->check->end = (cluster + 1) << q->cluster_bits;
		if (stored == want)
			continue;
		if (want && c->repair == QCOW2_REPAIR_ALL)
			rc = need_block(c, cluster);
		if (!rc)
			rc = mismatch(c, cluster, stored, want);
		if (!rc)
			rc = qcow2_trim(q);
	}
	return rc;
}

/*
 * An entry is marked if nobody shares what it leads to.  Where the refcount is
 * too high, which is a leak and was counted as such, it may be either.
 */
static bool wrongly_marked(const struct count *c, uint64_t entry)
{
	uint64_t cluster = qcow2_cluster_of(c->q, entry & QCOW2_OFFSET);
	uint64_t stored;

	if (counted(c, cluster) != 1)
		return entry & QCOW2_COPIED;
	return !(entry & QCOW2_COPIED) &&
	       !qcow2_refcount(c->q, cluster, &stored) && stored == 1;
}

/* The flags say what the refcounts do. */
static int compare_flags(struct count *c)
{
	struct qcow2 *q = c->q;
	struct qcow2_table *table;
	uint64_t wrong = 0, entry, at;
	uint32_t i, n;
	int rc = 0;

	/* What was shared by a leak is so no more. */
	if (c->check->leaks_fixed && !c->check->corruptions)
		rc = qcow2_refresh_copied(q);
	for (i = 0; i < q->l1_size && !rc; i++) {
		at = q->l1[i] & QCOW2_OFFSET;
		if (!at || !qcow2_aligned(q, at) || at >= q->file_size)
			continue;
		wrong += wrongly_marked(c, q->l1[i]);
		if (qcow2_load(q, &q->l2, at, &table))
			continue;
		for (n = 0; n < q->cluster_size; n += 8) {
			entry = get64(table->data + n);
			at = entry & QCOW2_OFFSET;
			if (entry & QCOW2_COMPRESSED || !at ||
			    !qcow2_aligned(q, at))
				continue;
			wrong += wrongly_marked(c, entry);
		}
		rc = qcow2_trim(q);
	}
	if (!wrong || rc)
		return rc;
	tell(c, "%" PRIu64 " entries are wrongly marked as shared or not",
	     wrong);
	if (c->repair != QCOW2_REPAIR_ALL) {
		c->check->corruptions += wrong;
		return 0;
	}
	c->check->corruptions_fixed += wrong;
	return qcow2_refresh_copied(q);
}

/* ---- all of it --------------------------------------------------------------- */

static int run(struct count *c)
{
	struct qcow2 *q = c->q;
	uint64_t was;
	int rc;

	/* What a repair allocates goes where nothing is. */
	q->free_hint = c->clusters;
	rc = count_all(c);
	if (!rc)
		rc = compare(c);
	was = c->check->corruptions + c->check->errors;
	if (!rc)
		rc = compare_flags(c);
	q->free_hint = 0;
	if (rc || c->repair == QCOW2_NO_REPAIR || q->readonly)
		return rc;
	rc = qcow2_settle(q);
	if (!rc && c->repair == QCOW2_REPAIR_ALL && !was &&
	    c->check->corruptions + c->check->errors == 0 &&
	    q->incompatible & QCOW2_CORRUPT)
		rc = qcow2_set_incompatible(q, 0, QCOW2_CORRUPT);
	return rc;
}

int qcow2_check(struct qcow2 *q, enum qcow2_repair repair,
		struct qcow2_check *check, struct error *err)
{
	struct count c = { .q = q, .check = check, .repair = repair };
	bool was_repairing = q->repairing;
	uint64_t i;
	int rc;

	c.clusters = qcow2_clusters(q, q->file_size);
	c.nr_pages = (c.clusters >> PAGE_BITS) + 1;
	/* A file of 8 EiB of nothing is not worth the memory. */
	if (c.nr_pages > 1U << 24)
		return error_set(err, EFBIG, "its file is too large to check");
	c.pages = calloc(c.nr_pages, sizeof(*c.pages));
	if (!c.pages)
		return error_sys(err, ENOMEM, "cannot check it");
	check->total = qcow2_clusters(q, q->size);
	q->repairing = true;
	rc = run(&c);
	q->repairing = was_repairing;
	for (i = 0; i < c.nr_pages; i++)
		free(c.pages[i]);
	free(c.pages);
	return rc ? error_sys(err, -rc, "cannot check it") : 0;
}
