// SPDX-License-Identifier: GPL-2.0-or-later
#include "cmocka_unit.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "memory.h"

#define MIB (1ULL << 20)
#define GIB (1ULL << 30)

static void ranges_are_checked(void **state)
{
	const struct mem_options opt = { .size = 64 * MIB };
	struct mem mem;
	uint8_t *p;

	(void)state;
	assert_int_equal(mem_init(&mem, &mem_backend_memfd, &opt, NULL), 0);
	p = mem_ptr(&mem, 0, 1, MEM_READ);
	assert_non_null(p);
	assert_true(((uintptr_t)p & (2 * MIB - 1)) == 0);
	assert_ptr_equal(mem_ptr(&mem, 0x1234, 64 * MIB - 0x1234, MEM_WRITE),
			 p + 0x1234);
	assert_null(mem_ptr(&mem, 0, 0, MEM_READ));
	assert_null(mem_ptr(&mem, 64 * MIB, 1, MEM_READ));
	assert_null(mem_ptr(&mem, 64 * MIB - 1, 2, MEM_READ));
	assert_null(mem_ptr(&mem, 1, UINT64_MAX, MEM_READ));
	assert_null(mem_ptr(&mem, UINT64_MAX, 1, MEM_READ));
	assert_null(mem_ptr(&mem, UINT64_MAX, 2, MEM_READ));
	mem_destroy(&mem);
}

static void two_blocks_do_not_join(void **state)
{
	const struct mem_options opt = { .size = 4 * GIB };
	char back[4];
	struct mem mem;

	(void)state;
	assert_int_equal(mem_init(&mem, &mem_backend_memfd, &opt, NULL), 0);
	assert_int_equal(mem.nr_blocks, 2);
	assert_null(mem_ptr(&mem, RAM_LOW_MAX, 1, MEM_READ));
	assert_null(mem_ptr(&mem, RAM_LOW_MAX - 1, 2, MEM_READ));
	assert_non_null(mem_ptr(&mem, RAM_LOW_MAX - 2, 2, MEM_READ));
	assert_null(mem_ptr(&mem, RAM_HIGH_BASE - 1, 2, MEM_READ));
	assert_non_null(mem_ptr(&mem, RAM_HIGH_BASE, 1, MEM_READ));
	assert_null(mem_ptr(&mem, RAM_HIGH_BASE + 4 * GIB - RAM_LOW_MAX, 1,
			    MEM_READ));

	/* Contents lie in the object where the block says. */
	assert_int_equal(mem_write(&mem, RAM_HIGH_BASE, "high", 4), 0);
	assert_int_equal(pread(mem.fd, back, 4, (off_t)RAM_LOW_MAX), 4);
	assert_memory_equal(back, "high", 4);
	assert_int_equal(mem_read(&mem, RAM_LOW_MAX - 1, back, 2), -EFAULT);
	assert_int_equal(mem_write(&mem, RAM_LOW_MAX - 1, back, 2), -EFAULT);
	mem_destroy(&mem);
}

static void size_is_sealed(void **state)
{
	const struct mem_options opt = { .size = 2 * MIB };
	struct mem mem;

	(void)state;
	assert_int_equal(mem_init(&mem, &mem_backend_memfd, &opt, NULL), 0);
	assert_int_equal(ftruncate(mem.fd, MIB), -1);
	assert_int_equal(errno, EPERM);
	mem_destroy(&mem);
}

static void no_huge_pages_is_said(void **state)
{
	/* More than any machine that runs this has reserved. */
	const struct mem_options opt = { .size = 1ULL << 38,
					 .kind = MEM_HUGETLB };
	struct error err = { "" };
	struct mem mem;

	(void)state;
	assert_true(mem_init(&mem, &mem_backend_hugetlb, &opt, &err) < 0);
	assert_non_null(strstr(err.text, "guest memory"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_are_checked),
		cmocka_unit_test(two_blocks_do_not_join),
		cmocka_unit_test(size_is_sealed),
		cmocka_unit_test(no_huge_pages_is_said),
	};

	return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
