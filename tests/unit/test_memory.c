// SPDX-License-Identifier: GPL-2.0-or-later
#include "cmocka_unit.h"

#include <errno.h>
#include <limits.h>
#include <linux/mempolicy.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "error.h"
#include "memory.h"
#include "memory/backend.h"

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

/* All of it is there, whoever made which part. */
static void prefault_makes_all(void **state)
{
	static const unsigned int threads[] = { 1, 3, UINT_MAX };
	struct mem_options opt = { .size = 258 * MIB };
	struct mem mem;
	struct stat st;
	size_t i;

	(void)state;
	assert_int_equal(mem_init(&mem, &mem_backend_memfd, &opt, NULL), 0);
	assert_int_equal(fstat(mem.fd, &st), 0);
	assert_int_equal(st.st_blocks, 0);
	mem_destroy(&mem);
	for (i = 0; i < sizeof(threads) / sizeof(threads[0]); i++) {
		opt.prefault = threads[i];
		assert_int_equal(mem_init(&mem, &mem_backend_memfd, &opt, NULL),
				 0);
		assert_int_equal(fstat(mem.fd, &st), 0);
		assert_int_equal(st.st_blocks, 258 * MIB / 512);
		mem_destroy(&mem);
	}
}

/* A backend that has only so much. */
static int prefault_some(const struct mem *mem, uint64_t offset, uint64_t len)
{
	(void)mem;
	return offset + len > 128 * MIB ? -ENOMEM : 0;
}

static void prefault_says_what_failed(void **state)
{
	struct mem_options opt = { .size = 258 * MIB, .prefault = 2 };
	struct mem_backend backend = mem_backend_memfd;
	struct error err = { "" };
	struct mem mem;

	(void)state;
	backend.prefault = prefault_some;
	assert_int_equal(mem_init(&mem, &backend, &opt, &err), -ENOMEM);
	assert_non_null(strstr(err.text, "cannot prefault guest memory: "));
	assert_non_null(strstr(err.text, "of 258 MiB"));
}

static void node_is_obeyed(void **state)
{
	struct mem_options opt = { .size = 2 * MIB, .has_node = true };
	struct error err = { "" };
	int mode, node = -1;
	struct mem mem;

	(void)state;
	if (syscall(SYS_get_mempolicy, &mode, NULL, 0, NULL, 0))
		skip();
	assert_int_equal(mem_init(&mem, &mem_backend_memfd, &opt, &err), 0);
	assert_int_equal(syscall(SYS_get_mempolicy, &mode, NULL, 0, mem.base,
				 MPOL_F_ADDR),
			 0);
	assert_int_equal(mode, MPOL_BIND);
	assert_int_equal(syscall(SYS_get_mempolicy, &node, NULL, 0, mem.base,
				 MPOL_F_ADDR | MPOL_F_NODE),
			 0);
	assert_int_equal(node, 0);
	mem_destroy(&mem);
	opt.node = MEM_MAX_NODE;
	assert_true(mem_init(&mem, &mem_backend_memfd, &opt, &err) < 0);
	assert_non_null(strstr(err.text, "from node 1023"));
}

static void choice(void **state)
{
	struct mem_options opt = { .size = 2 * MIB };
	struct error err = { "" };

	(void)state;
	assert_ptr_equal(mem_choose(&opt, NULL, &err), &mem_backend_vireo);
	assert_ptr_equal(mem_choose(&opt, "no", &err), &mem_backend_memfd);
	opt.kind = MEM_MEMFD;
	assert_ptr_equal(mem_choose(&opt, NULL, &err), &mem_backend_memfd);
	opt.kind = MEM_HUGETLB;
	assert_ptr_equal(mem_choose(&opt, NULL, &err), &mem_backend_hugetlb);
	opt.kind = MEM_VIREO;
	assert_ptr_equal(mem_choose(&opt, NULL, &err), &mem_backend_vireo);
	assert_null(mem_choose(&opt, "no such thing", &err));
	assert_string_equal(err.text, "--memory backend=vireo: no such thing");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_are_checked),
		cmocka_unit_test(two_blocks_do_not_join),
		cmocka_unit_test(size_is_sealed),
		cmocka_unit_test(no_huge_pages_is_said),
		cmocka_unit_test(prefault_makes_all),
		cmocka_unit_test(prefault_says_what_failed),
		cmocka_unit_test(node_is_obeyed),
		cmocka_unit_test(choice),
	};

	return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
