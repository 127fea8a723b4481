// SPDX-License-Identifier: GPL-2.0-or-later
#include "cmocka_unit.h"

#include <errno.h>
#include <string.h>

#include "cpu.h"
#include "memory.h"
#include "paging.h"

#define MIB (1ULL << 20)
#define P 1ULL
#define PS (1ULL << 7)

struct rig {
	struct mem mem;
	struct cpu_regs regs;
};

static int setup(void **state)
{
	static struct rig rig;
	const struct mem_options opt = { .size = 16 * MIB };

	memset(&rig, 0, sizeof(rig));
	*state = &rig;
	return mem_init(&rig.mem, &mem_backend_memfd, &opt, NULL);
}

static int teardown(void **state)
{
	struct rig *r = *state;

	mem_destroy(&r->mem);
	return 0;
}

static void put64(struct rig *r, uint64_t gpa, uint64_t val)
{
	assert_int_equal(mem_write(&r->mem, gpa, &val, 8), 0);
}

static void put32(struct rig *r, uint64_t gpa, uint32_t val)
{
	assert_int_equal(mem_write(&r->mem, gpa, &val, 4), 0);
}

static void maps(struct rig *r, uint64_t va, uint64_t want, uint64_t want_left)
{
	uint64_t gpa, left;

	assert_int_equal(paging_walk(&r->mem, &r->regs, va, &gpa, &left), 0);
	assert_int_equal(gpa, want);
	assert_int_equal(left, want_left);
}

static void maps_not(struct rig *r, uint64_t va)
{
	uint64_t gpa, left;

	assert_int_equal(paging_walk(&r->mem, &r->regs, va, &gpa, &left),
			 -EFAULT);
}

static void without_paging(void **state)
{
	struct rig *r = *state;

	maps(r, 0x1234, 0x1234, 0x1000 - 0x234);
	maps(r, 0xfffffff0, 0xfffffff0, 16);
	maps_not(r, 0x100000000);
	r->regs.cr0 = CR0_PE;
	maps(r, 0x1234, 0x1234, 0x1000 - 0x234);
}

static void two_levels(void **state)
{
	struct rig *r = *state;

	r->regs.cr0 = CR0_PE | CR0_PG;
	r->regs.cr3 = 0x1018; /* what is below the address is not one */
	put32(r, 0x1000 + 4 * 0x345, 0x2000 | P);
	put32(r, 0x2000 + 4 * 0x123, 0x7000 | P);
	maps(r, 0x345ULL << 22 | 0x123 << 12 | 0xabc, 0x7abc, 0x1000 - 0xabc);
	maps_not(r, 0x345ULL << 22 | 0x124 << 12);
	maps_not(r, 0x346ULL << 22);
	maps_not(r, 1ULL << 32 | 0x345ULL << 22 | 0x123 << 12);

	/* A large page, above 4 GiB; only if the processor was told to. */
	put32(r, 0x1000 + 4 * 2, 0x00c00000 | 5 << 13 | PS | P);
	maps_not(r, 0x800123);
	r->regs.cr4 = CR4_PSE;
	maps(r, 0x800123, 0x500c00123, 0x400000 - 0x123);
}

static void three_levels(void **state)
{
	struct rig *r = *state;

	r->regs.cr0 = CR0_PE | CR0_PG;
	r->regs.cr4 = CR4_PAE;
	r->regs.cr3 = 0x1020; /* a table of 32 bytes */
	put64(r, 0x1020 + 8 * 3, 0x2000 | P);
	put64(r, 0x2000 + 8 * 0x1ff, 0x3000 | P);
	put64(r, 0x3000 + 8 * 5, 0x8000000000005000 | P);
	maps(r, 0xffe05010, 0x5010, 0xff0);
	put64(r, 0x2000, 0x600000 | PS | P);
	maps(r, 0xc0000007, 0x600007, 2 * MIB - 7);
	maps_not(r, 0);
}

static void four_levels(void **state)
{
	struct rig *r = *state;
	uint64_t va = 0xffffffff81000000;

	r->regs.cr0 = CR0_PE | CR0_PG;
	r->regs.cr4 = CR4_PAE;
	r->regs.efer = EFER_LMA;
	r->regs.cr3 = 0x8000000000001fff; /* no part of it but 0x1000 */
	put64(r, 0x1000 + 8 * 511, 0x2000 | P);
	put64(r, 0x2000 + 8 * 510, 0x3000 | P);
	put64(r, 0x3000 + 8 * 8, 0x800000 | PS | P);
	maps(r, va + 0x1fffff, 0x9fffff, 1);
	maps_not(r, va + 0x200000);
	maps_not(r, va & 0x0000ffffffffffff); /* not canonical */

	put64(r, 0x3000 + 8 * 9, 0x4000 | P);
	put64(r, 0x4000, 0x8000000000ABC000 | 0x63);
	maps(r, va + 0x200008, 0xabc008, 0xff8);
	/* A 1 GiB page. */
	put64(r, 0x2000, 0x40000000 | PS | P);
	maps(r, 0xffffff8000000010, 0x40000010, (1ULL << 30) - 16);
	/* At the top level the bit means nothing. */
	put64(r, 0x1000, 0x2000 | PS | P);
	maps(r, 0x10, 0x40000010, (1ULL << 30) - 16);
}

static void five_levels(void **state)
{
	struct rig *r = *state;

	r->regs.cr0 = CR0_PE | CR0_PG;
	r->regs.cr4 = CR4_PAE | CR4_LA57;
	r->regs.efer = EFER_LMA;
	r->regs.cr3 = 0x1000;
	put64(r, 0x1000 + 8, 0x2000 | P);
	put64(r, 0x2000, 0x3000 | P);
	put64(r, 0x3000, 0x4000 | P);
	put64(r, 0x4000, 0x5000 | P);
	put64(r, 0x5000 + 8, 0x6000 | P);
	maps(r, 1ULL << 48 | 0x1001, 0x6001, 0xfff);
	maps_not(r, 1ULL << 56);
	maps_not(r, 0x1001);
}

/* Tables that are no RAM, or are themselves. */
static void hostile(void **state)
{
	struct rig *r = *state;
	uint64_t va;

	r->regs.cr0 = CR0_PE | CR0_PG;
	r->regs.cr4 = CR4_PAE;
	r->regs.efer = EFER_LMA;
	for (r->regs.cr3 = 1; r->regs.cr3; r->regs.cr3 <<= 1)
		for (va = 1; va; va <<= 1)
			maps_not(r, va);
	r->regs.cr3 = 16 * MIB - 4096;
	put64(r, r->regs.cr3 + 8 * 511, UINT64_MAX);
	maps_not(r, UINT64_MAX);
	put64(r, r->regs.cr3 + 8 * 511, r->regs.cr3 | P);
	maps(r, UINT64_MAX, 16 * MIB - 1, 1);
}

static void copies_over_pages(void **state)
{
	struct rig *r = *state;
	char buf[8192];
	uint64_t va = 0x200000;

	r->regs.cr0 = CR0_PE | CR0_PG;
	r->regs.cr4 = CR4_PAE;
	r->regs.efer = EFER_LMA;
	r->regs.cr3 = 0x1000;
	put64(r, 0x1000, 0x2000 | P);
	put64(r, 0x2000, 0x3000 | P);
	put64(r, 0x3000 + 8, 0x4000 | P);
	put64(r, 0x4000, 0x9000 | P);
	put64(r, 0x4008, 0x7000 | P);
	/* Two pages that are not neighbours, and one that is not there. */
	memset(buf, 'x', sizeof(buf));
	assert_int_equal(paging_write(&r->mem, &r->regs, va + 0xffc, "12345678",
				      8),
			 8);
	assert_int_equal(mem_read(&r->mem, 0x9ffc, buf, 4), 0);
	assert_int_equal(mem_read(&r->mem, 0x7000, buf + 4, 4), 0);
	assert_memory_equal(buf, "12345678", 8);
	assert_int_equal(paging_read(&r->mem, &r->regs, va + 0xffc, buf,
				     sizeof(buf)),
			 0x1004);
	assert_memory_equal(buf, "12345678", 8);
	assert_int_equal(paging_read(&r->mem, &r->regs, va - 1, buf, 2), 0);
	/* Mapped, but no RAM. */
	put64(r, 0x4008, 16 * MIB | P);
	assert_int_equal(paging_write(&r->mem, &r->regs, va + 0xfff, "ab", 2),
			 1);
	/* The end of the address space is not followed by its beginning. */
	put64(r, 0x1000 + 8 * 511, 0x2000 | P);
	put64(r, 0x2000 + 8 * 511, 0x3000 | P);
	put64(r, 0x3000 + 8 * 511, 0x4000 | P);
	put64(r, 0x4000 + 8 * 511, 0x5000 | P);
	assert_int_equal(paging_read(&r->mem, &r->regs, UINT64_MAX, buf, 2), 1);
}

#define paging_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		paging_test(without_paging),	paging_test(two_levels),
		paging_test(three_levels),	paging_test(four_levels),
		paging_test(five_levels),	paging_test(hostile),
		paging_test(copies_over_pages),
	};

	return cmocka_run_group_tests_name("paging", tests, NULL, NULL);
}
