// SPDX-License-Identifier: GPL-2.0-or-later
/* The header of an image: nothing in it is believed unseen. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "../error.h"
#include "qcow2_image.h"

/* ---- writing ---------------------------------------------------------------- */

/* One sector: whole or not at all, as disks go. */
int qcow2_write_header(struct qcow2 *q)
{
	return qcow2_pwrite(q, q->header,
			    q->version < 3 ? QH_V2_LENGTH : QH_V3_LENGTH, 0);
}

int qcow2_set_incompatible(struct qcow2 *q, uint64_t set, uint64_t clear)
{
	int rc;

	if (q->version < 3)
		return 0;
	q->incompatible = (q->incompatible | set) & ~clear;
	put64(q->header + QH_INCOMPATIBLE, q->incompatible);
	rc = qcow2_write_header(q);
	return rc ? rc : qcow2_sync(q);
}

int qcow2_bad(struct qcow2 *q, const char *fmt, ...)
{
	char text[160];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_guest(&q->log, NULL, "disk image %s is corrupt: %s%s", q->path,
		  text,
		  q->readonly ? "" :
				"; nothing more is written to it (vireo img "
				"check)");
	if (!q->readonly && !q->corrupt && !q->repairing) {
		q->corrupt = true;
		qcow2_set_incompatible(q, QCOW2_CORRUPT, 0);
	}
	return -EIO;
}

/* ---- reading ---------------------------------------------------------------- */

/* The name that the image has for a feature that nobody here knows. */
static void feature_name(const uint8_t *table, uint32_t len, unsigned int bit,
			 char name[QCOW2_FEATURE_NAME])
{
	char *p;

	snprintf(name, QCOW2_FEATURE_NAME, "number %u", bit);
	for (; len >= QCOW2_FEATURE_NAME;
	     len -= QCOW2_FEATURE_NAME, table += QCOW2_FEATURE_NAME) {
		if (table[0] != 0 || table[1] != bit || !table[2])
			continue;
		memcpy(name, table + 2, QCOW2_FEATURE_NAME - 2);
		name[QCOW2_FEATURE_NAME - 2] = '\0';
		/* It goes to a terminal. */
		for (p = name; *p; p++)
			if (*p < ' ' || *p > '~')
				*p = '?';
	}
}

static int check_features(const struct qcow2 *q, const uint8_t *names,
			  uint32_t len, struct error *err)
{
	uint64_t unknown = q->incompatible &
			   ~(QCOW2_DIRTY | QCOW2_CORRUPT | QCOW2_COMPRESSION);
	char name[QCOW2_FEATURE_NAME];

	if (unknown & QCOW2_DATA_FILE)
		return error_set(err, EOPNOTSUPP,
				 "it keeps its data in another file, which "
				 "vireo does not support");
	if (unknown & QCOW2_EXTENDED_L2)
		return error_set(err, EOPNOTSUPP,
				 "it has extended L2 entries (subclusters), "
				 "which vireo does not support");
	if (unknown) {
		feature_name(names, len, (unsigned int)__builtin_ctzll(unknown),
			     name);
		return error_set(err, EOPNOTSUPP,
				 "it needs a feature that vireo does not know: "
				 "%s",
				 name);
	}
	return 0;
}

static int read_bitmaps(struct qcow2 *q, const uint8_t *data, uint32_t len,
			struct error *err)
{
	if (!(q->autoclear & QCOW2_BITMAPS))
		return 0;
	if (len != 24)
		return error_set(err, EINVAL, "its bitmaps have no directory");
	q->nr_bitmaps = get32(data);
	q->bitmaps_size = get64(data + 8);
	q->bitmaps_offset = get64(data + 16);
	return 0;
}

/* Between the fixed header and @end. */
static int read_extensions(struct qcow2 *q, const uint8_t *head, uint64_t end,
			   struct error *err)
{
	uint64_t at = q->header_length;
	const uint8_t *names = NULL;
	uint32_t type, len, names_len = 0;
	int rc;

	while (at + 8 <= end) {
		type = get32(head + at);
		len = get32(head + at + 4);
		at += 8;
		if (type == QCOW2_EXT_END)
			break;
		if (len > end - at)
			return error_set(err, EINVAL,
					 "a header extension is too long");
		if (type == QCOW2_EXT_BACKING_FORMAT && !q->backing_format) {
			q->backing_format =
				strndup((const char *)head + at, len);
			if (!q->backing_format)
				return error_sys(err, ENOMEM, "cannot open it");
		} else if (type == QCOW2_EXT_FEATURE_NAMES) {
			names = head + at;
			names_len = len;
		} else if (type == QCOW2_EXT_BITMAPS) {
			rc = read_bitmaps(q, head + at, len, err);
			if (rc)
				return rc;
		}
		at += (len + 7ULL) & ~7ULL;
	}
	return check_features(q, names, names_len, err);
}

/* The fields up to the length of the header. */
static int read_fixed(struct qcow2 *q, const uint8_t *head, struct error *err)
{
	if (get32(head + QH_MAGIC) != QCOW2_MAGIC)
		return error_set(err, EINVAL, "it is no qcow2 image");
	q->version = get32(head + QH_VERSION);
	if (q->version != 2 && q->version != 3)
		return error_set(err, EOPNOTSUPP,
				 "qcow2 version %u is not supported",
				 q->version);
	q->cluster_bits = get32(head + QH_CLUSTER_BITS);
	if (q->cluster_bits < QCOW2_CLUSTER_BITS_MIN ||
	    q->cluster_bits > QCOW2_CLUSTER_BITS_MAX)
		return error_set(err, EOPNOTSUPP,
				 "clusters of 2^%u bytes are not supported",
				 q->cluster_bits);
	if (get32(head + QH_CRYPT_METHOD))
		return error_set(err, EOPNOTSUPP,
				 "it is encrypted, which vireo does not "
				 "support");
	q->size = get64(head + QH_SIZE);
	q->header_length = QH_V2_LENGTH;
	q->refcount_order = 4;
	if (q->version >= 3) {
		q->incompatible = get64(head + QH_INCOMPATIBLE);
		q->compatible = get64(head + QH_COMPATIBLE);
		q->autoclear = get64(head + QH_AUTOCLEAR);
		q->refcount_order = get32(head + QH_REFCOUNT_ORDER);
		q->header_length = get32(head + QH_HEADER_LENGTH);
	}
	if (q->refcount_order > 6)
		return error_set(err, EINVAL, "refcounts of 2^%u bits",
				 q->refcount_order);
	if ((q->version >= 3 && q->header_length < QH_V3_LENGTH) ||
	    q->header_length > 1U << q->cluster_bits)
		return error_set(err, EINVAL, "a header of %u bytes",
				 q->header_length);
	if (q->header_length > QH_COMPRESSION && head[QH_COMPRESSION])
		q->compression = head[QH_COMPRESSION];
	if (q->compression > QCOW2_ZSTD ||
	    !q->compression != !(q->incompatible & QCOW2_COMPRESSION))
		return error_set(err, EOPNOTSUPP,
				 "compression type %d is not supported",
				 (int)q->compression);
	return 0;
}

static int read_backing(struct qcow2 *q, const uint8_t *head, struct error *err)
{
	uint64_t offset = get64(head + QH_BACKING_OFFSET);
	uint32_t len = get32(head + QH_BACKING_SIZE);

	if (!offset)
		return 0;
	if (len > QCOW2_BACKING_NAME || offset < q->header_length ||
	    offset > q->cluster_size || len > q->cluster_size - offset)
		return error_set(err, EINVAL,
				 "the name of its backing file is not in its "
				 "header");
	q->backing = strndup((const char *)head + offset, len);
	return q->backing ? 0 : error_sys(err, ENOMEM, "cannot open it");
}

/* Is that a place for a table of so many bytes? */
static int check_place(const struct qcow2 *q, const char *what, uint64_t offset,
		       uint64_t bytes, struct error *err)
{
	uint64_t end = qcow2_clusters(q, q->file_size) << q->cluster_bits;

	if (qcow2_aligned(q, offset) && offset >= q->cluster_size &&
	    offset < QCOW2_OFFSET_LIMIT && bytes <= end &&
	    offset <= end - bytes)
		return 0;
	return error_set(err, EINVAL,
			 "its %s is said to be at %#" PRIx64
			 ", which is not in the file",
			 what, offset);
}

static int read_places(struct qcow2 *q, const uint8_t *head, struct error *err)
{
	uint32_t clusters = get32(head + QH_REFTABLE_CLUSTERS);
	uint64_t covered;
	int rc = 0;

	q->l1_offset = get64(head + QH_L1_OFFSET);
	q->l1_size = get32(head + QH_L1_SIZE);
	q->reftable_offset = get64(head + QH_REFTABLE_OFFSET);
	q->nr_snapshots = get32(head + QH_NR_SNAPSHOTS);
	q->snapshots_offset = get64(head + QH_SNAPSHOTS_OFFSET);

	if (q->size > (uint64_t)INT64_MAX - q->cluster_size)
		return error_set(err, EFBIG, "its disk is too large");
	if (q->l1_size > QCOW2_L1_BYTES / 8)
		return error_set(err, EFBIG, "its L1 table is too large");
	covered = (uint64_t)q->l1_size << q->l2_bits;
	if (qcow2_clusters(q, q->size) > covered)
		return error_set(err, EINVAL,
				 "its L1 table is too small for its disk");
	if (!clusters || clusters > QCOW2_REFTABLE_BYTES >> q->cluster_bits)
		return error_set(err, EINVAL,
				 "its refcount table has %u clusters",
				 clusters);
	q->reftable_size = clusters << (q->cluster_bits - 3);
	if (q->l1_size)
		rc = check_place(q, "L1 table", q->l1_offset, q->l1_size * 8ULL,
				 err);
	if (!rc)
		rc = check_place(q, "refcount table", q->reftable_offset,
				 (uint64_t)clusters << q->cluster_bits, err);
	if (!rc && q->nr_snapshots)
		rc = check_place(q, "snapshot table", q->snapshots_offset,
				 QS_LENGTH, err);
	return rc;
}

int qcow2_read_header(struct qcow2 *q, struct error *err)
{
	uint64_t end;
	uint8_t *head;
	int rc;

	rc = qcow2_pread(q, q->header, sizeof(q->header), 0);
	if (rc)
		return error_sys(err, -rc, "cannot read its header");
	rc = read_fixed(q, q->header, err);
	if (rc)
		return rc;
	q->cluster_size = 1U << q->cluster_bits;
	q->l2_bits = q->cluster_bits - 3;
	q->refblock_bits = q->cluster_bits + 3 - q->refcount_order;
	q->lazy = q->compatible & QCOW2_LAZY;

	head = malloc(q->cluster_size);
	if (!head)
		return error_sys(err, ENOMEM, "cannot open it");
	rc = qcow2_pread(q, head, q->cluster_size, 0);
	if (rc)
		error_sys(err, -rc, "cannot read its header");
	if (!rc)
		rc = read_backing(q, head, err);
	end = get64(head + QH_BACKING_OFFSET);
	if (!rc)
		rc = read_extensions(q, head, end ? end : q->cluster_size, err);
	if (!rc)
		rc = read_places(q, head, err);
	free(head);
	return rc;
}
