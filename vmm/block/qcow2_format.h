/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The qcow2 file format, versions 2 and 3: what is where in an image.  All
 * numbers are big-endian.  The published specification is docs/interop/qcow2
 * of QEMU.
 */
#ifndef VIREO_BLOCK_QCOW2_FORMAT_H
#define VIREO_BLOCK_QCOW2_FORMAT_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define QCOW2_MAGIC 0x514649fbU

#define QCOW2_CLUSTER_BITS_MIN 9
#define QCOW2_CLUSTER_BITS_MAX 21

/* Offsets of the header's fields. */
enum {
	QH_MAGIC = 0,
	QH_VERSION = 4,
	QH_BACKING_OFFSET = 8,
	QH_BACKING_SIZE = 16,
	QH_CLUSTER_BITS = 20,
	QH_SIZE = 24,
	QH_CRYPT_METHOD = 32,
	QH_L1_SIZE = 36,
	QH_L1_OFFSET = 40,
	QH_REFTABLE_OFFSET = 48,
	QH_REFTABLE_CLUSTERS = 56,
	QH_NR_SNAPSHOTS = 60,
	QH_SNAPSHOTS_OFFSET = 64,
	QH_V2_LENGTH = 72,
	QH_INCOMPATIBLE = 72,
	QH_COMPATIBLE = 80,
	QH_AUTOCLEAR = 88,
	QH_REFCOUNT_ORDER = 96,
	QH_HEADER_LENGTH = 100,
	QH_V3_LENGTH = 104,
	QH_COMPRESSION = 104, /* one byte */
	QH_LENGTH = 112,      /* with all that is known */
};

/* Incompatible features */
#define QCOW2_DIRTY (1ULL << 0)
#define QCOW2_CORRUPT (1ULL << 1)
#define QCOW2_DATA_FILE (1ULL << 2)
#define QCOW2_COMPRESSION (1ULL << 3)
#define QCOW2_EXTENDED_L2 (1ULL << 4)
/* Compatible features */
#define QCOW2_LAZY (1ULL << 0)
/* Features that a writer clears which does not know them */
#define QCOW2_BITMAPS (1ULL << 0)

/* Header extensions: type and length, then data padded to 8 bytes. */
#define QCOW2_EXT_END 0U
#define QCOW2_EXT_BACKING_FORMAT 0xe2792acaU
#define QCOW2_EXT_FEATURE_NAMES 0x6803f857U
#define QCOW2_EXT_BITMAPS 0x23852875U
#define QCOW2_FEATURE_NAME 48 /* bytes: type, bit, name */

enum qcow2_compression { QCOW2_ZLIB = 0, QCOW2_ZSTD = 1 };

/* Entries of L1 and L2 tables */
#define QCOW2_COPIED (1ULL << 63)     /* the refcount is exactly 1 */
#define QCOW2_COMPRESSED (1ULL << 62) /* L2 */
#define QCOW2_ZERO (1ULL << 0)	      /* L2, version 3: reads as zeros */
#define QCOW2_OFFSET 0x00fffffffffffe00ULL
#define QCOW2_OFFSET_LIMIT (1ULL << 56)

/* Limits of what is accepted, those of QEMU */
#define QCOW2_L1_BYTES (32U << 20)
#define QCOW2_REFTABLE_BYTES (8U << 20)
#define QCOW2_SNAPSHOTS 65536U
#define QCOW2_SNAPSHOT_BYTES (64U << 20)
#define QCOW2_SNAPSHOT_EXTRA 1024U
#define QCOW2_BACKING_NAME 1023U

/* An entry of the snapshot table; then extra data, ID, name, padding to 8. */
enum {
	QS_L1_OFFSET = 0,
	QS_L1_SIZE = 8,
	QS_ID_LEN = 12,
	QS_NAME_LEN = 14,
	QS_SECONDS = 16,
	QS_NANOSECONDS = 20,
	QS_VM_CLOCK = 24,
	QS_VM_STATE = 32,
	QS_EXTRA_LEN = 36,
	QS_LENGTH = 40,
	QS_VM_STATE_LARGE = 40, /* extra data */
	QS_DISK_SIZE = 48,	/* extra data */
	QS_EXTRA_MIN = 16,
};

static inline uint16_t get16(const void *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return be16toh(v);
}

static inline uint32_t get32(const void *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

static inline uint64_t get64(const void *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return be64toh(v);
}

static inline void put16(void *p, uint16_t v)
{
	v = htobe16(v);
	memcpy(p, &v, sizeof(v));
}

static inline void put32(void *p, uint32_t v)
{
	v = htobe32(v);
	memcpy(p, &v, sizeof(v));
}

static inline void put64(void *p, uint64_t v)
{
	v = htobe64(v);
	memcpy(p, &v, sizeof(v));
}

#endif
