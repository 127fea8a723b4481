// SPDX-License-Identifier: GPL-2.0-or-later
/* Booting a bzImage: files good and bad, what lands in guest memory, reset. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "accel.h"
#include "boot/boot.h"
#include "config.h"
#include "error.h"
#include "memory.h"
#include "vm.h"

#define MIB (1ULL << 20)
#define SETUP_SECTS 3
#define BODY_OFF ((SETUP_SECTS + 1) * 512)
#define BODY 8192
#define PREF (16 * MIB)
#define INIT_SIZE (4 * MIB)

struct fixture {
	struct config cfg;
	struct vm vm;
	struct error err;
	struct cpu_entry entry;
	uint8_t file[BODY_OFF + BODY];
	size_t file_len;
	char kernel[40];
	char initrd[40];
};

static struct setup_header *header(struct fixture *f)
{
	return (struct setup_header *)(f->file + 0x1f1);
}

static void write_file(const char *path, const void *buf, size_t len)
{
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	if (len)
		assert_int_equal(fwrite(buf, len, 1, file), 1);
	assert_int_equal(fclose(file), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct setup_header *hdr;
	size_t i;

	assert_non_null(f);
	strcpy(f->kernel, "/tmp/vireo-kernel-XXXXXX");
	strcpy(f->initrd, "/tmp/vireo-initrd-XXXXXX");
	close(mkstemp(f->kernel));
	close(mkstemp(f->initrd));
	f->cfg.kernel = f->kernel;
	f->cfg.cpus = 2;
	f->cfg.memory.size = 64 * MIB;
	f->vm.cfg = &f->cfg;

	/* A header as Linux builds it, bytes behind it that are none. */
	memset(f->file, 0xcc, BODY_OFF);
	hdr = header(f);
	memset(hdr, 0, sizeof(*hdr));
	hdr->setup_sects = SETUP_SECTS;
	hdr->syssize = BODY / 16;
	hdr->boot_flag = 0xaa55;
	hdr->jump = 0x66 << 8 | 0xeb;
	hdr->header = 0x53726448;
	hdr->version = 0x020f;
	hdr->loadflags = LOADED_HIGH;
	hdr->initrd_addr_max = 0x7fffffff;
	hdr->xloadflags = XLF_KERNEL_64;
	hdr->cmdline_size = 100;
	hdr->pref_address = PREF;
	hdr->init_size = INIT_SIZE;
	hdr->kernel_info_offset = 0xcccccccc; /* behind the end: 0x268 */
	for (i = 0; i < BODY; i++)
		f->file[BODY_OFF + i] = (uint8_t)(i * 7 + 1);
	f->file_len = sizeof(f->file);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	boot_close(&f->vm);
	mem_destroy(&f->vm.mem);
	unlink(f->kernel);
	unlink(f->initrd);
	free(f);
	return 0;
}

static int open_boot(struct fixture *f)
{
	int ret;

	write_file(f->kernel, f->file, f->file_len);
	ret = boot_open(&f->vm, &f->err);
	if (ret)
		assert_null(f->vm.boot);
	return ret;
}

static void load(struct fixture *f)
{
	if (!f->vm.mem.base)
		assert_int_equal(mem_init(&f->vm.mem, &mem_backend_memfd,
					  &f->cfg.memory, &f->err),
				 0);
	if (boot_load(&f->vm, &f->entry, &f->err))
		fail_msg("%s", f->err.text);
}

static void refused(struct fixture *f, const char *text)
{
	assert_true(open_boot(f) < 0);
	if (!strstr(f->err.text, text))
		fail_msg("'%s' does not say '%s'", f->err.text, text);
}

static const uint8_t *guest(struct fixture *f, uint64_t gpa, uint64_t len)
{
	const uint8_t *p = mem_ptr(&f->vm.mem, gpa, len, MEM_READ);

	assert_non_null(p);
	return p;
}

static uint64_t guest64(struct fixture *f, uint64_t gpa)
{
	uint64_t v;

	memcpy(&v, guest(f, gpa, 8), 8);
	return v;
}

/* Where the page tables lead to, by 2 MiB pages. */
static uint64_t walk(struct fixture *f, uint64_t va)
{
	uint64_t e = f->entry.cr3 | 1;

	assert_int_equal(va >> 39, 0);
	e = guest64(f, (e & ~0xfffULL) + 8 * (va >> 39));
	assert_int_equal(e & 0x83, 3);
	e = guest64(f, (e & ~0xfffULL) + 8 * (va >> 30 & 511));
	assert_int_equal(e & 0x83, 3);
	e = guest64(f, (e & ~0xfffULL) + 8 * (va >> 21 & 511));
	assert_int_equal(e & 0x83, 0x83);
	return (e & ~0x1fffffULL) | (va & 0x1fffff);
}

static void check_loaded(struct fixture *f)
{
	const struct boot_params *bp;
	uint64_t gdt, va;
	unsigned int i;

	assert_memory_equal(guest(f, PREF, BODY), f->file + BODY_OFF, BODY);
	assert_true(f->entry.long_mode);
	assert_int_equal(f->entry.rip, PREF + 0x200);
	assert_int_equal(f->entry.code_sel, 0x10);
	assert_int_equal(f->entry.data_sel, 0x18);
	assert_true(f->entry.gdt_limit >= 0x1f);
	gdt = guest64(f, f->entry.gdt_base + 0x10);
	assert_int_equal(gdt, 0x00af9b000000ffff);
	assert_int_equal(guest64(f, f->entry.gdt_base), 0);
	for (va = 0; va < 1ULL << 30; va += 0x1fffff)
		assert_int_equal(walk(f, va), va);
	/* Nothing else is mapped. */
	for (i = 1; i < 512; i++) {
		assert_int_equal(guest64(f, f->entry.cr3 + 8 * i), 0);
		assert_int_equal(guest64(f, f->entry.cr3 + 4096 + 8 * i), 0);
	}

	bp = (const struct boot_params *)guest(f, f->entry.rsi, sizeof(*bp));
	assert_int_equal(bp->hdr.header, 0x53726448);
	assert_int_equal(bp->hdr.type_of_loader, 0xff);
	assert_int_equal(bp->hdr.kernel_info_offset, 0);
	assert_int_equal(bp->sentinel, 0);
	assert_int_equal(bp->e820_entries, 4);
	assert_int_equal(bp->e820_table[0].size, 0xa0000);
	assert_int_equal(bp->e820_table[1].type, 2);
	assert_int_equal(bp->e820_table[2].addr, MIB);
	assert_int_equal(bp->e820_table[2].size, 63 * MIB);
	assert_int_equal(bp->e820_table[3].addr, 0xb0000000);
	assert_string_equal(guest(f, bp->hdr.cmd_line_ptr, 101),
			    f->cfg.append ? f->cfg.append : "");
	assert_memory_equal(guest(f, bp->acpi_rsdp_addr, 36), "RSD PTR ", 8);
}

static void test_load(void **state)
{
	struct fixture *f = *state;

	f->cfg.append = "console=ttyS0";
	assert_int_equal(open_boot(f), 0);
	load(f);
	check_loaded(f);
}

/* The guest has used all of its memory; a reset boots as the first time. */
static void test_reset(void **state)
{
	struct fixture *f = *state;
	struct cpu_entry first;
	uint8_t *low;

	assert_int_equal(open_boot(f), 0);
	load(f);
	first = f->entry;
	memset(f->vm.mem.base, 0xee, 64 * MIB);
	load(f);
	check_loaded(f);
	assert_memory_equal(&first, &f->entry, sizeof(first));
	low = mem_ptr(&f->vm.mem, f->entry.rsi, 4096, MEM_READ);
	assert_int_equal(low[0x1e0], 0);
}

static void test_initrd(void **state)
{
	struct fixture *f = *state;
	const struct boot_params *bp;
	uint8_t data[5000];

	memset(data, 0x42, sizeof(data));
	write_file(f->initrd, data, sizeof(data));
	f->cfg.initrd = f->initrd;
	assert_int_equal(open_boot(f), 0);
	load(f);
	bp = (const struct boot_params *)guest(f, f->entry.rsi, sizeof(*bp));
	assert_int_equal(bp->hdr.ramdisk_size, sizeof(data));
	assert_int_equal(bp->hdr.ramdisk_image, 64 * MIB - 8192);
	assert_memory_equal(guest(f, bp->hdr.ramdisk_image, sizeof(data)), data,
			    sizeof(data));
	boot_close(&f->vm);

	/* The kernel's own limit is kept. */
	header(f)->initrd_addr_max = 0x1efffff;
	assert_int_equal(open_boot(f), 0);
	assert_int_equal(f->vm.boot->initrd_gpa, 0x1f00000 - 8192);
	boot_close(&f->vm);
	header(f)->initrd_addr_max = PREF + INIT_SIZE + 4998;
	refused(f, "too large for kernel");
}

static void test_memory(void **state)
{
	struct fixture *f = *state;
	uint8_t data[4097] = { 1 };

	f->cfg.memory.size = 18 * MIB;
	refused(f, "kernel needs at least 20 MiB of memory, "
		   "the guest has 18 MiB");
	f->cfg.memory.size = 20 * MIB;
	assert_int_equal(open_boot(f), 0);
	load(f);
	boot_close(&f->vm);

	write_file(f->initrd, data, sizeof(data));
	f->cfg.initrd = f->initrd;
	refused(f, "kernel needs at least 21 MiB of memory with initrd");
	header(f)->pref_address = 0xafe00000;
	refused(f, "no RAM above 2816 MiB");
}

static void test_cmdline(void **state)
{
	struct fixture *f = *state;
	char line[102];

	memset(line, 'x', 101);
	line[100] = 0;
	f->cfg.append = line;
	assert_int_equal(open_boot(f), 0);
	boot_close(&f->vm);
	line[100] = 'x';
	line[101] = 0;
	refused(f, "command line is 101 bytes long");
}

static void test_bad_files(void **state)
{
	struct fixture *f = *state;
	struct setup_header *hdr = header(f), good = *hdr;

	f->file_len = 100;
	refused(f, "is neither a bzImage nor an ELF kernel with a PVH entry");
	f->file_len = 0;
	refused(f, "is empty");
	f->file_len = BODY_OFF;
	refused(f, "cut short");
	f->file_len = BODY_OFF + BODY - 16;
	refused(f, "cut short");
	/* The last 16 bytes need not be whole. */
	f->file_len = BODY_OFF + BODY - 15;
	assert_int_equal(open_boot(f), 0);
	load(f);
	boot_close(&f->vm);
	f->file_len = sizeof(f->file);

	hdr->version = 0x020b;
	refused(f, "no 64-bit entry (boot protocol 2.11)");
	*hdr = good;
	hdr->xloadflags = 0;
	refused(f, "no 64-bit entry");
	*hdr = good;
	hdr->header = 0;
	refused(f, "is neither");
	*hdr = good;
	hdr->jump = 0x20 << 8 | 0xeb;
	refused(f, "header is too short");
	*hdr = good;
	hdr->init_size = BODY - 1;
	refused(f, "size is impossible");
	*hdr = good;
	hdr->syssize = 0xffffffff;
	refused(f, "cut short");
	*hdr = good;
	hdr->pref_address = 0x90000;
	refused(f, "preferred address");
	*hdr = good;
	hdr->pref_address = 1ULL << 63;
	refused(f, "preferred address");
	*hdr = good;
	assert_int_equal(open_boot(f), 0);
	boot_close(&f->vm);

	f->cfg.kernel = (char *)"/nonexistent/vmlinuz";
	refused(f, "cannot open kernel image '/nonexistent/vmlinuz': "
		   "No such file or directory");
	f->cfg.kernel = (char *)"/tmp";
	refused(f, "not a regular file");
	f->cfg.kernel = f->kernel;
	f->cfg.initrd = (char *)"/nonexistent/initrd";
	refused(f, "cannot open initrd '/nonexistent/initrd': No such");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_load, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reset, setup, teardown),
		cmocka_unit_test_setup_teardown(test_initrd, setup, teardown),
		cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cmdline, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_files, setup,
						teardown),
	};

	return cmocka_run_group_tests_name("bzimage", tests, NULL, NULL);
}
