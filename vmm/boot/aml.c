// SPDX-License-Identifier: GPL-2.0-or-later
#include "aml.h"

#include <string.h>

/* Opcodes: ACPI 6.4, table 20.1. */
#define OP_NAME 0x08
#define OP_BYTE 0x0a
#define OP_WORD 0x0b
#define OP_DWORD 0x0c
#define OP_STRING 0x0d
#define OP_QWORD 0x0e
#define OP_SCOPE 0x10
#define OP_BUFFER 0x11
#define OP_PACKAGE 0x12
#define OP_METHOD 0x14
#define OP_EXT 0x5b
#define OP_EXT_DEVICE 0x82
#define OP_ARG0 0x68
#define OP_RETURN 0xa4
#define OP_LOCAL0 0x60
#define OP_STORE 0x70
#define OP_AND 0x7b
#define OP_NOTIFY 0x86
#define OP_IF 0xa0
#define OP_EXT_REGION 0x80
#define OP_EXT_FIELD 0x81
#define DUAL_NAME 0x2e
#define MULTI_NAME 0x2f
#define NO_TARGET 0

#define REGION_IO 1
#define FIELD_DWORD_WRITE_ZEROS 0x43 /* access; the rest of it is written 0 */

/*
 * A PkgLength (20.2.4) is always given three bytes, which reach 1 MiB: so the
 * contents need not be moved once their length is known.
 */
#define PKG_LENGTH_SIZE 3

void aml_le(struct aml *aml, uint64_t val, unsigned int size)
{
	aml->len += size;
	aml_patch(aml, aml->len - size, val, size);
}

void aml_patch(struct aml *aml, size_t pos, uint64_t val, unsigned int size)
{
	if (pos + size <= aml->cap)
		memcpy(aml->buf + pos, &val, size);
}

void aml_bytes(struct aml *aml, const void *bytes, size_t len)
{
	if (aml->len + len <= aml->cap)
		memcpy(aml->buf + aml->len, bytes, len);
	aml->len += len;
}

static void op(struct aml *aml, uint8_t opcode)
{
	aml_le(aml, opcode, 1);
}

static void name_segment(struct aml *aml, const char *name)
{
	char seg[4] = { '_', '_', '_', '_' };

	memcpy(seg, name, strcspn(name, "."));
	aml_bytes(aml, seg, sizeof(seg));
}

static void name_string(struct aml *aml, const char *name)
{
	const char *p;
	uint8_t n = 1;

	if (*name == '\\')
		op(aml, (uint8_t)*name++);
	for (p = strchr(name, '.'); p; p = strchr(p + 1, '.'))
		n++;
	if (n == 2)
		op(aml, DUAL_NAME);
	if (n > 2) {
		op(aml, MULTI_NAME);
		op(aml, n);
	}
	for (p = name; p; p = strchr(p, '.')) {
		p += *p == '.';
		name_segment(aml, p);
	}
}

void aml_name(struct aml *aml, const char *name)
{
	op(aml, OP_NAME);
	name_string(aml, name);
}

void aml_int(struct aml *aml, uint64_t val)
{
	if (val <= 1) {
		aml_le(aml, val, 1); /* ZeroOp, OneOp */
	} else if (val <= UINT8_MAX) {
		op(aml, OP_BYTE);
		aml_le(aml, val, 1);
	} else if (val <= UINT16_MAX) {
		op(aml, OP_WORD);
		aml_le(aml, val, 2);
	} else if (val <= UINT32_MAX) {
		op(aml, OP_DWORD);
		aml_le(aml, val, 4);
	} else {
		op(aml, OP_QWORD);
		aml_le(aml, val, 8);
	}
}

void aml_string(struct aml *aml, const char *s)
{
	op(aml, OP_STRING);
	aml_bytes(aml, s, strlen(s) + 1);
}

static unsigned int hex_digit(char c)
{
	return c <= '9' ? (unsigned int)(c - '0') :
			  (unsigned int)(c - 'A' + 10);
}

/* Three letters of five bits, four hex digits, most significant first. */
void aml_eisaid(struct aml *aml, const char *id)
{
	uint32_t val = 0;
	unsigned int i;

	for (i = 0; i < 3; i++)
		val = val << 5 | (unsigned int)(id[i] - '@');
	for (i = 3; i < 7; i++)
		val = val << 4 | hex_digit(id[i]);
	op(aml, OP_DWORD);
	aml_le(aml, __builtin_bswap32(val), 4);
}

void aml_return_arg(struct aml *aml, unsigned int arg)
{
	op(aml, OP_RETURN);
	op(aml, (uint8_t)(OP_ARG0 + arg));
}

static size_t pkg_begin(struct aml *aml)
{
	aml_le(aml, 0, PKG_LENGTH_SIZE);
	return aml->len - PKG_LENGTH_SIZE;
}

void aml_end(struct aml *aml, size_t mark)
{
	size_t len = aml->len - mark; /* counts itself */

	/* Two bits: how many bytes follow; then 4, 8 and 8 bits of length. */
	aml_patch(aml, mark,
		  (PKG_LENGTH_SIZE - 1) << 6 | (len & 0xf) | len >> 4 << 8,
		  PKG_LENGTH_SIZE);
}

size_t aml_scope(struct aml *aml, const char *name)
{
	size_t mark;

	op(aml, OP_SCOPE);
	mark = pkg_begin(aml);
	name_string(aml, name);
	return mark;
}

size_t aml_device(struct aml *aml, const char *name)
{
	size_t mark;

	op(aml, OP_EXT);
	op(aml, OP_EXT_DEVICE);
	mark = pkg_begin(aml);
	name_string(aml, name);
	return mark;
}

size_t aml_method(struct aml *aml, const char *name, unsigned int args)
{
	size_t mark;

	op(aml, OP_METHOD);
	mark = pkg_begin(aml);
	name_string(aml, name);
	aml_le(aml, args, 1); /* not serialized */
	return mark;
}

void aml_ref(struct aml *aml, const char *name)
{
	name_string(aml, name);
}

void aml_io_region(struct aml *aml, const char *name, uint16_t base,
		   uint8_t len)
{
	op(aml, OP_EXT);
	op(aml, OP_EXT_REGION);
	name_string(aml, name);
	op(aml, REGION_IO);
	aml_int(aml, base);
	aml_int(aml, len);
}

size_t aml_fields(struct aml *aml, const char *region)
{
	size_t mark;

	op(aml, OP_EXT);
	op(aml, OP_EXT_FIELD);
	mark = pkg_begin(aml);
	name_string(aml, region);
	op(aml, FIELD_DWORD_WRITE_ZEROS);
	return mark;
}

void aml_field32(struct aml *aml, const char *name)
{
	name_string(aml, name);
	op(aml, 32); /* a PkgLength of one byte: bits */
}

void aml_load(struct aml *aml, const char *from, unsigned int local)
{
	op(aml, OP_STORE);
	name_string(aml, from);
	op(aml, (uint8_t)(OP_LOCAL0 + local));
}

void aml_store_int(struct aml *aml, uint64_t val, const char *to)
{
	op(aml, OP_STORE);
	aml_int(aml, val);
	name_string(aml, to);
}

size_t aml_if_bits(struct aml *aml, unsigned int local, uint64_t mask)
{
	size_t mark;

	op(aml, OP_IF);
	mark = pkg_begin(aml);
	op(aml, OP_AND);
	op(aml, (uint8_t)(OP_LOCAL0 + local));
	aml_int(aml, mask);
	op(aml, NO_TARGET);
	return mark;
}

void aml_notify(struct aml *aml, const char *name, unsigned int event)
{
	op(aml, OP_NOTIFY);
	name_string(aml, name);
	aml_int(aml, event);
}

size_t aml_package(struct aml *aml, uint8_t elements)
{
	size_t mark;

	op(aml, OP_PACKAGE);
	mark = pkg_begin(aml);
	aml_le(aml, elements, 1);
	return mark;
}

/* A buffer begins with its size as an integer: here always a word. */
#define BUFFER_SIZE_OFF (PKG_LENGTH_SIZE + 1)
#define BUFFER_DATA_OFF (BUFFER_SIZE_OFF + 2)

size_t aml_resources(struct aml *aml)
{
	size_t mark;

	op(aml, OP_BUFFER);
	mark = pkg_begin(aml);
	op(aml, OP_WORD);
	aml_le(aml, 0, 2);
	return mark;
}

void aml_resources_end(struct aml *aml, size_t mark)
{
	aml_le(aml, 0x79, 2); /* 6.4.2.9, end tag; checksum 0: not used */
	aml_patch(aml, mark + BUFFER_SIZE_OFF,
		  aml->len - mark - BUFFER_DATA_OFF, 2);
	aml_end(aml, mark);
}

/* 6.4.2.5: decodes 16 bits, fixed address. */
void aml_res_io(struct aml *aml, uint16_t base, uint8_t len)
{
	aml_le(aml, 0x0147, 2);
	aml_le(aml, base, 2);
	aml_le(aml, base, 2);
	aml_le(aml, 1, 1);
	aml_le(aml, len, 1);
}

/* 6.4.2.1: edge triggered, active high, not shared. */
void aml_res_irq(struct aml *aml, unsigned int irq)
{
	aml_le(aml, 0x22, 1);
	aml_le(aml, 1U << irq, 2);
}

/* 6.4.3.6: for its consumer, level-triggered, active high, shared. */
void aml_res_gsi(struct aml *aml, unsigned int gsi)
{
	aml_le(aml, 0x89, 1);
	aml_le(aml, 6, 2);
	aml_le(aml, 0x09, 1);
	aml_le(aml, 1, 1);
	aml_le(aml, gsi, 4);
}

/* 6.4.3.4: writable. */
void aml_res_mem32(struct aml *aml, uint32_t base, uint32_t len)
{
	aml_le(aml, 0x86, 1);
	aml_le(aml, 9, 2);
	aml_le(aml, 1, 1);
	aml_le(aml, base, 4);
	aml_le(aml, len, 4);
}

/* 6.4.3.5, address space descriptors: both ends fixed, positive decode. */
void aml_res_window(struct aml *aml, enum aml_window type, unsigned int size,
		    uint64_t first, uint64_t last)
{
	uint8_t tag = size == 8 ? 0x8a : size == 4 ? 0x87 : 0x88;
	/* Memory: read-write, not cacheable; I/O: the entire range. */
	uint8_t flags = type == AML_WINDOW_MEM ? 1 :
			type == AML_WINDOW_IO  ? 3 :
						 0;

	aml_le(aml, tag, 1);
	aml_le(aml, 3 + 5 * size, 2);
	aml_le(aml, type, 1);
	aml_le(aml, 0x0c, 1);
	aml_le(aml, flags, 1);
	aml_le(aml, 0, size); /* granularity */
	aml_le(aml, first, size);
	aml_le(aml, last, size);
	aml_le(aml, 0, size); /* translation */
	aml_le(aml, last - first + 1, size);
}
