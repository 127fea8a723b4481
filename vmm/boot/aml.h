/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes ACPI Machine Language (ACPI 6.4, chapter 20) and resource templates
 * (6.4) into a buffer of the caller.
 *
 * What does not fit is not written but still counted: one look at
 * aml->len > aml->cap in the end is enough.
 *
 * Objects with a length are opened by a function that returns a mark and
 * closed by aml_end with that mark.
 */
#ifndef VIREO_AML_H
#define VIREO_AML_H

#include <stddef.h>
#include <stdint.h>

struct aml {
	uint8_t *buf;
	size_t cap;
	size_t len;
};

/* Raw bytes, and integers of @size bytes in little-endian order. */
void aml_bytes(struct aml *aml, const void *bytes, size_t len);
void aml_le(struct aml *aml, uint64_t val, unsigned int size);
/* Overwrites @size bytes at @pos. */
void aml_patch(struct aml *aml, size_t pos, uint64_t val, unsigned int size);

/*
 * "\\_SB" or "PCI0", padded to four characters; or several, up to four, as in
 * "\\_SB.PCI0".
 */
void aml_name(struct aml *aml, const char *name); /* its object follows */
void aml_int(struct aml *aml, uint64_t val);
void aml_string(struct aml *aml, const char *s);
void aml_eisaid(struct aml *aml, const char *id); /* "PNP0A08" */
void aml_ref(struct aml *aml,
	     const char *name); /* names an object, or calls it */
void aml_return_arg(struct aml *aml, unsigned int arg);

size_t aml_scope(struct aml *aml, const char *name);
size_t aml_device(struct aml *aml, const char *name);
size_t aml_method(struct aml *aml, const char *name, unsigned int args);
size_t aml_package(struct aml *aml, uint8_t elements);
void aml_end(struct aml *aml, size_t mark);

/* 19.6.100: @len bytes of I/O space, which fields of 32 bits divide. */
void aml_io_region(struct aml *aml, const char *name, uint16_t base,
		   uint8_t len);
size_t aml_fields(struct aml *aml, const char *region);
void aml_field32(struct aml *aml, const char *name);
/* In methods; their local variable @local is Local0 to Local7. */
void aml_load(struct aml *aml, const char *from, unsigned int local);
void aml_store_int(struct aml *aml, uint64_t val, const char *to);
size_t aml_if_bits(struct aml *aml, unsigned int local, uint64_t mask);
void aml_notify(struct aml *aml, const char *name, unsigned int event);

/* A resource template, to follow aml_name("_CRS"). */
size_t aml_resources(struct aml *aml);
void aml_res_io(struct aml *aml, uint16_t base, uint8_t len);
void aml_res_irq(struct aml *aml, unsigned int irq);
/* Level-triggered, active high, shared. */
void aml_res_gsi(struct aml *aml, unsigned int gsi);
void aml_res_mem32(struct aml *aml, uint32_t base, uint32_t len);
/* What a bridge passes on: [first, last]; @size of the fields is 2, 4 or 8. */
enum aml_window { AML_WINDOW_MEM, AML_WINDOW_IO, AML_WINDOW_BUS };
void aml_res_window(struct aml *aml, enum aml_window type, unsigned int size,
		    uint64_t first, uint64_t last);
void aml_resources_end(struct aml *aml, size_t mark);

#endif
