// SPDX-License-Identifier: GPL-2.0-or-later
/* Booting ELF kernels by PVH: both classes, notes, hostile headers. */
#include <elf.h>
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
#define ENTRY 0x100040
#define NOTE_OFF 0x200
#define DATA_OFF 0x400
#define DATA 0x300
#define FILE_SIZE (DATA_OFF + DATA)

struct fixture {
	struct config cfg;
	struct vm vm;
	struct error err;
	struct cpu_entry entry;
	union {
		uint8_t file[FILE_SIZE];
		struct {
			Elf64_Ehdr eh;
			Elf64_Phdr ph[3];
		} h64;
		struct {
			Elf32_Ehdr eh;
			Elf32_Phdr ph[3];
		} h32;
	} u;
	size_t file_len;
	char kernel[40];
	char initrd[40];
};

static void write_file(const char *path, const void *buf, size_t len)
{
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(buf, len, 1, file), 1);
	assert_int_equal(fclose(file), 0);
}

static size_t put_note(struct fixture *f, size_t off, const char *name,
		       uint32_t type, const void *desc, uint32_t len)
{
	const Elf32_Nhdr note = {
		.n_namesz = (uint32_t)strlen(name) + 1,
		.n_descsz = len,
		.n_type = type,
	};

	memcpy(f->u.file + off, &note, sizeof(note));
	off += sizeof(note);
	memcpy(f->u.file + off, name, note.n_namesz);
	off += (note.n_namesz + 3) & ~3U;
	memcpy(f->u.file + off, desc, len);
	return off + ((len + 3) & ~3U);
}

/* Another note first, and one of the same type by another name. */
static size_t put_notes(struct fixture *f, unsigned int desc_len)
{
	const uint64_t entry = ENTRY, wrong = 0x123456;
	size_t off = NOTE_OFF;

	off = put_note(f, off, "Linux", 257, "abc", 3);
	off = put_note(f, off, "GNU", 18, &wrong, 8);
	return put_note(f, off, "Xen", 18, &entry, desc_len) - NOTE_OFF;
}

static void make64(struct fixture *f)
{
	f->u.h64.eh = (Elf64_Ehdr){
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, 1 },
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_phoff = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 3,
	};
	f->u.h64.ph[0] = (Elf64_Phdr){
		.p_type = PT_LOAD,
		.p_offset = DATA_OFF,
		.p_paddr = MIB,
		.p_vaddr = 0xffffffff80100000,
		.p_filesz = DATA,
		.p_memsz = 0x3000,
	};
	f->u.h64.ph[1] = (Elf64_Phdr){
		.p_type = PT_NOTE,
		.p_offset = NOTE_OFF,
		.p_filesz = put_notes(f, 8),
		.p_align = 4,
	};
	f->u.h64.ph[2] = (Elf64_Phdr){
		.p_type = PT_LOAD,
		.p_offset = DATA_OFF + 16,
		.p_paddr = 2 * MIB,
		.p_filesz = 32,
		.p_memsz = 32,
	};
}

static void make32(struct fixture *f)
{
	memset(f->u.file, 0, NOTE_OFF);
	f->u.h32.eh = (Elf32_Ehdr){
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, 1 },
		.e_type = ET_EXEC,
		.e_machine = EM_386,
		.e_phoff = sizeof(Elf32_Ehdr),
		.e_phentsize = sizeof(Elf32_Phdr),
		.e_phnum = 2,
	};
	f->u.h32.ph[0] = (Elf32_Phdr){
		.p_type = PT_LOAD,
		.p_offset = DATA_OFF,
		.p_paddr = MIB,
		.p_filesz = DATA,
		.p_memsz = 0x3000,
	};
	f->u.h32.ph[1] = (Elf32_Phdr){
		.p_type = PT_NOTE,
		.p_offset = NOTE_OFF,
		.p_filesz = (uint32_t)put_notes(f, 4),
	};
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	size_t i;

	assert_non_null(f);
	strcpy(f->kernel, "/tmp/vireo-kernel-XXXXXX");
	strcpy(f->initrd, "/tmp/vireo-initrd-XXXXXX");
	close(mkstemp(f->kernel));
	close(mkstemp(f->initrd));
	f->cfg.kernel = f->kernel;
	f->cfg.cpus = 1;
	f->cfg.memory.size = 4 * MIB;
	f->vm.cfg = &f->cfg;
	for (i = 0; i < DATA; i++)
		f->u.file[DATA_OFF + i] = (uint8_t)(i + 1);
	f->file_len = FILE_SIZE;
	make64(f);
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
	write_file(f->kernel, f->u.file, f->file_len);
	return boot_open(&f->vm, &f->err);
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

static uint64_t guest_le(struct fixture *f, uint64_t gpa, unsigned int size)
{
	uint64_t v = 0;

	memcpy(&v, guest(f, gpa, size), size);
	return v;
}

/* struct hvm_start_info by the offsets of its specification. */
static void check_start_info(struct fixture *f, uint64_t modules)
{
	uint64_t info = f->entry.rbx, map;

	assert_int_equal(guest_le(f, info, 4), 0x336ec578);
	assert_int_equal(guest_le(f, info + 4, 4), 1);
	assert_int_equal(guest_le(f, info + 8, 4), 0);
	assert_int_equal(guest_le(f, info + 12, 4), modules);
	assert_string_equal(guest(f, guest_le(f, info + 24, 8), 64),
			    f->cfg.append ? f->cfg.append : "");
	assert_memory_equal(guest(f, guest_le(f, info + 32, 8), 8), "RSD PTR ",
			    8);
	map = guest_le(f, info + 40, 8);
	assert_int_equal(guest_le(f, info + 48, 4), 4);
	assert_int_equal(guest_le(f, map + 8, 8), 0xa0000);
	assert_int_equal(guest_le(f, map + 16, 4), 1);
	assert_int_equal(guest_le(f, map + 48, 8), MIB);
	assert_int_equal(guest_le(f, map + 56, 8), 3 * MIB);
}

static void check_loaded(struct fixture *f)
{
	const uint8_t *bss = guest(f, MIB, 0x3000);
	size_t i;

	assert_memory_equal(bss, f->u.file + DATA_OFF, DATA);
	for (i = DATA; i < 0x3000; i++)
		assert_int_equal(bss[i], 0);
	assert_false(f->entry.long_mode);
	assert_int_equal(f->entry.rip, ENTRY);
	assert_int_equal(guest_le(f, f->entry.gdt_base + f->entry.code_sel, 8),
			 0x00cf9b000000ffff);
	assert_int_equal(guest_le(f, f->entry.gdt_base + f->entry.data_sel, 8),
			 0x00cf93000000ffff);
}

static void test_load64(void **state)
{
	struct fixture *f = *state;

	f->cfg.append = "n=1000";
	assert_int_equal(open_boot(f), 0);
	load(f);
	check_loaded(f);
	check_start_info(f, 0);
	assert_memory_equal(guest(f, 2 * MIB, 32), f->u.file + DATA_OFF + 16,
			    32);
	/* As the first time after a guest that wrote everywhere. */
	memset(f->vm.mem.base, 0xee, 4 * MIB);
	load(f);
	check_loaded(f);
	check_start_info(f, 0);
}

static void test_load32(void **state)
{
	struct fixture *f = *state;

	make32(f);
	assert_int_equal(open_boot(f), 0);
	load(f);
	check_loaded(f);
	check_start_info(f, 0);
}

static void test_initrd(void **state)
{
	struct fixture *f = *state;
	uint64_t mod;

	write_file(f->initrd, "initrd", 6);
	f->cfg.initrd = f->initrd;
	assert_int_equal(open_boot(f), 0);
	load(f);
	check_start_info(f, 1);
	mod = guest_le(f, f->entry.rbx + 16, 8);
	assert_int_equal(guest_le(f, mod, 8), 4 * MIB - 4096);
	assert_int_equal(guest_le(f, mod + 8, 8), 6);
	assert_memory_equal(guest(f, guest_le(f, mod, 8), 6), "initrd", 6);
}

static void test_segments(void **state)
{
	struct fixture *f = *state;
	Elf64_Phdr *ph = f->u.h64.ph, good = ph[0];

	ph->p_paddr = 0x90000;
	refused(f, "has a segment at 0x90000, outside of RAM");
	ph->p_paddr = UINT64_MAX;
	refused(f, "outside of RAM");
	*ph = good;
	ph->p_memsz = UINT64_MAX;
	refused(f, "outside of RAM");
	ph->p_memsz = 0xaff00001;
	refused(f, "outside of RAM");
	ph->p_memsz = 4 * MIB;
	refused(f, "kernel needs at least 5 MiB of memory");
	*ph = good;
	ph->p_filesz = ph->p_memsz + 1;
	refused(f, "outside the file");
	*ph = good;
	ph->p_filesz = DATA + 1;
	refused(f, "outside the file");
	*ph = good;
	ph->p_offset = UINT64_MAX - 1;
	refused(f, "outside the file");
	*ph = good;
	ph->p_memsz = 0;
	ph->p_filesz = 0;
	refused(f, "PVH entry is in no segment");
}

static void test_headers(void **state)
{
	struct fixture *f = *state;
	Elf64_Ehdr *eh = &f->u.h64.eh, good = *eh;

	eh->e_phoff = UINT64_MAX;
	refused(f, "no program headers");
	eh->e_phoff = FILE_SIZE - 8;
	refused(f, "cut short");
	*eh = good;
	eh->e_phentsize = 1;
	refused(f, "odd program header size");
	*eh = good;
	eh->e_phnum = 0xffff;
	refused(f, "too many program headers");
	eh->e_phnum = 0;
	refused(f, "is neither");
	*eh = good;
	eh->e_machine = EM_AARCH64;
	refused(f, "is neither");
	*eh = good;
	eh->e_ident[EI_DATA] = ELFDATA2MSB;
	refused(f, "is neither");
	*eh = good;
	eh->e_ident[EI_CLASS] = 3;
	refused(f, "is neither");
	*eh = good;
	f->file_len = 63;
	refused(f, "is neither");
}

static void test_notes(void **state)
{
	struct fixture *f = *state;
	Elf64_Phdr *ph = &f->u.h64.ph[1], good = *ph;
	Elf32_Nhdr note = { .n_namesz = UINT32_MAX, .n_descsz = UINT32_MAX };

	ph->p_filesz -= 4;
	refused(f, "is neither a bzImage nor an ELF kernel with a PVH entry");
	*ph = good;
	ph->p_offset = FILE_SIZE - 1;
	refused(f, "note lies outside");
	ph->p_offset = UINT64_MAX;
	refused(f, "note lies outside");
	*ph = good;
	memcpy(f->u.file + NOTE_OFF, &note, sizeof(note));
	refused(f, "is neither");
	note.n_namesz = 0;
	memcpy(f->u.file + NOTE_OFF, &note, sizeof(note));
	refused(f, "is neither");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_load64, setup, teardown),
		cmocka_unit_test_setup_teardown(test_load32, setup, teardown),
		cmocka_unit_test_setup_teardown(test_initrd, setup, teardown),
		cmocka_unit_test_setup_teardown(test_segments, setup, teardown),
		cmocka_unit_test_setup_teardown(test_headers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_notes, setup, teardown),
	};

	return cmocka_run_group_tests_name("elf", tests, NULL, NULL);
}
