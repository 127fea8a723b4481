// SPDX-License-Identifier: GPL-2.0-or-later
#include "boot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "accel.h"
#include "acpi.h"
#include "config.h"
#include "device/pci.h"
#include "error.h"
#include "memory.h"
#include "vm.h"

#define PAGE 4096ULL
#define MIB (1ULL << 20)

/* Selectors of the Linux boot protocol (boot.rst, "64-bit Boot Protocol"). */
#define SEL_CODE 0x10
#define SEL_DATA 0x18

int boot_read(const struct boot_file *file, uint64_t off, void *buf, size_t len,
	      struct error *err)
{
	uint8_t *p = buf;
	ssize_t n;

	while (len) {
		n = pread(file->fd, p, len, (off_t)off);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_sys(err, errno, "cannot read '%s'",
					 file->path);
		if (!n)
			return error_set(err, EINVAL, "'%s' is cut short",
					 file->path);
		p += n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

void boot_gdt(uint8_t *low, bool long_mode, struct cpu_entry *entry)
{
	/* Intel SDM vol. 3, 3.4.5: flat, present, accessed, ring 0. */
	const uint64_t gdt[] = {
		0,
		0,
		long_mode ? 0x00af9b000000ffffULL : 0x00cf9b000000ffffULL,
		0x00cf93000000ffffULL,
	};

	memcpy(low + BOOT_GDT, gdt, sizeof(gdt));
	entry->gdt_base = BOOT_GDT;
	entry->gdt_limit = sizeof(gdt) - 1;
	entry->code_sel = SEL_CODE;
	entry->data_sel = SEL_DATA;
}

static int file_open(struct boot_file *file, const char *what, const char *path,
		     struct error *err)
{
	struct stat st;
	int ret;

	file->path = path;
	file->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (file->fd < 0)
		return error_sys(err, errno, "cannot open %s '%s'", what, path);
	if (fstat(file->fd, &st)) {
		ret = error_sys(err, errno, "cannot stat %s '%s'", what, path);
		goto err_close;
	}
	if (!S_ISREG(st.st_mode)) {
		ret = error_set(err, EINVAL,
				"cannot open %s '%s': not a regular file", what,
				path);
		goto err_close;
	}
	if (!st.st_size) {
		ret = error_set(err, EINVAL, "%s '%s' is empty", what, path);
		goto err_close;
	}
	file->size = (uint64_t)st.st_size;
	return 0;

err_close:
	close(file->fd);
	file->fd = -1;
	return ret;
}

static void file_close(struct boot_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
}

static int image_parse(struct boot *boot, struct error *err)
{
	const struct boot_format *const formats[] = {
		&boot_bzimage,
		&boot_elf,
	};
	struct boot_image *image = &boot->image;
	size_t i;
	int ret;

	for (i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		image->format = formats[i];
		ret = formats[i]->parse(&boot->kernel, image, err);
		if (ret != -ENOEXEC)
			return ret;
	}
	return error_set(
		err, ENOEXEC,
		"'%s' is neither a bzImage nor an ELF kernel with a PVH entry",
		boot->kernel.path);
}

static unsigned long long to_mib(uint64_t bytes)
{
	return bytes / MIB + !!(bytes % MIB);
}

/* Is there room for the kernel; where does the initrd go? */
static int place(struct boot *boot, uint64_t ram_size, struct error *err)
{
	const struct boot_image *image = &boot->image;
	uint64_t ram_end = ram_size < RAM_LOW_MAX ? ram_size : RAM_LOW_MAX;
	uint64_t need = (image->end + PAGE - 1) & ~(PAGE - 1);
	uint64_t size = boot->initrd.size;
	uint64_t top = ram_end;

	if (need > RAM_LOW_MAX)
		return error_set(err, EFBIG,
				 "kernel '%s' reaches up to %llu MiB, "
				 "but there is no RAM above %llu MiB",
				 boot->kernel.path, to_mib(need),
				 to_mib(RAM_LOW_MAX));
	if (need > ram_end)
		return error_set(err, ENOMEM,
				 "kernel needs at least %llu MiB of memory, "
				 "the guest has %llu MiB (use --memory)",
				 to_mib(need), to_mib(ram_size));
	if (!size)
		return 0;

	if (top > image->initrd_last)
		top = image->initrd_last + 1;
	if (size <= top && ((top - size) & ~(PAGE - 1)) >= need) {
		boot->initrd_gpa = (top - size) & ~(PAGE - 1);
		return 0;
	}
	if (top < ram_end || ram_end == RAM_LOW_MAX)
		return error_set(err, EFBIG,
				 "initrd '%s' of %llu MiB is too large for "
				 "kernel '%s'",
				 boot->initrd.path, to_mib(size),
				 boot->kernel.path);
	return error_set(err, ENOMEM,
			 "kernel needs at least %llu MiB of memory with "
			 "initrd '%s', the guest has %llu MiB (use --memory)",
			 to_mib(need + size), boot->initrd.path,
			 to_mib(ram_size));
}

int boot_open(struct vm *vm, struct error *err)
{
	const struct config *cfg = vm->cfg;
	struct boot *boot;
	uint32_t max;
	int ret;

	if (!cfg->kernel)
		return error_set(err, EINVAL, "no kernel (use --kernel)");
	boot = calloc(1, sizeof(*boot));
	if (!boot)
		return error_sys(err, ENOMEM, "cannot allocate memory");
	boot->kernel.fd = -1;
	boot->initrd.fd = -1;
	boot->cmdline = cfg->append ? cfg->append : "";

	ret = file_open(&boot->kernel, "kernel image", cfg->kernel, err);
	if (ret)
		goto err_free;
	ret = image_parse(boot, err);
	if (ret)
		goto err_close;
	if (cfg->initrd) {
		ret = file_open(&boot->initrd, "initrd", cfg->initrd, err);
		if (ret)
			goto err_close;
	}
	ret = place(boot, cfg->memory.size, err);
	if (ret)
		goto err_close;

	max = boot->image.cmdline_max;
	if (max > BOOT_CMDLINE_MAX - 1)
		max = BOOT_CMDLINE_MAX - 1;
	if (strlen(boot->cmdline) > max) {
		ret = error_set(err, E2BIG,
				"kernel command line is %zu bytes long, "
				"kernel '%s' takes at most %u (see --append)",
				strlen(boot->cmdline), cfg->kernel, max);
		goto err_close;
	}
	vm->boot = boot;
	return 0;

err_close:
	file_close(&boot->initrd);
	file_close(&boot->kernel);
err_free:
	free(boot);
	return ret;
}

void boot_close(struct vm *vm)
{
	if (!vm->boot)
		return;
	file_close(&vm->boot->initrd);
	file_close(&vm->boot->kernel);
	free(vm->boot);
	vm->boot = NULL;
}

/*
 * Straight from the page cache to guest RAM, which is a file as well: no page
 * fault for each page, and no page cleared only to be overwritten.  Returns
 * how much was done: less than all where one of the files cannot do this.
 */
static uint64_t send(const struct mem *mem, const uint8_t *to,
		     const struct boot_file *file, uint64_t off, uint64_t len)
{
	off_t from = (off_t)off;
	uint64_t done = 0;
	ssize_t n;

	if (!mem_file_ok(mem))
		return 0;
	if (lseek(mem->fd, to - mem->base, SEEK_SET) < 0)
		return 0;
	while (done < len) {
		n = sendfile(mem->fd, file->fd, &from, len - done);
		if (n <= 0)
			break;
		done += (uint64_t)n;
	}
	return done;
}

static int load_part(const struct mem *mem, const struct boot_file *file,
		     const struct boot_segment *seg, uint8_t *p, uint64_t from,
		     uint64_t to, bool huge, struct error *err)
{
	if (!huge)
		from += send(mem, p + from, file, seg->off + from, to - from);
	return boot_read(file, seg->off + from, p + from, to - from, err);
}

/*
 * The huge pages of which at least half will be filled, in bytes from where RAM
 * begins: allocating and clearing one takes a third of what 512 pages do.
 */
static void huge_part(const struct mem *mem, uint64_t begin, uint64_t end,
		      uint64_t *first, uint64_t *last)
{
	const uint64_t half = MEM_HUGE_PAGE / 2;

	*first = (begin + half - 1) / MEM_HUGE_PAGE * MEM_HUGE_PAGE;
	*last = (end + half) / MEM_HUGE_PAGE * MEM_HUGE_PAGE;
	if (*last > mem->size)
		*last -= MEM_HUGE_PAGE;
	if (end - begin < half || *last < *first)
		*last = *first;
}

/* In three parts: before the huge pages, in them, and behind them. */
static int load_bytes(const struct boot *boot, const struct mem *mem,
		      const struct boot_file *file,
		      const struct boot_segment *seg, uint8_t *p,
		      struct error *err)
{
	uint64_t begin = (uint64_t)(p - mem->base), end = begin + seg->filesz;
	uint64_t first, last, at = 0, to;
	int ret = 0;

	huge_part(mem, begin, end, &first, &last);
	if (!boot->dirty && first < last &&
	    mem_make_huge(mem, first, last - first)) {
		if (first > begin) {
			at = first - begin;
			ret = load_part(mem, file, seg, p, 0, at, false, err);
		}
		to = (last < end ? last : end) - begin;
		if (!ret)
			ret = load_part(mem, file, seg, p, at, to, true, err);
		at = to;
	}
	return ret ? ret :
		     load_part(mem, file, seg, p, at, seg->filesz, false, err);
}

static int load_segment(const struct boot *boot, const struct mem *mem,
			const struct boot_file *file,
			const struct boot_segment *seg, struct error *err)
{
	uint8_t *p = mem_ptr(mem, seg->gpa, seg->memsz, MEM_WRITE);
	int ret;

	if (!p)
		return error_set(err, EFAULT,
				 "'%s': no RAM at %#llx for %llu bytes",
				 file->path, (unsigned long long)seg->gpa,
				 (unsigned long long)seg->memsz);
	ret = load_bytes(boot, mem, file, seg, p, err);
	if (ret)
		return ret;
	boot_clear(boot, p + seg->filesz, seg->memsz - seg->filesz);
	mem_written(mem, p, seg->memsz);
	return 0;
}

int boot_load(struct vm *vm, struct cpu_entry *entry, struct error *err)
{
	struct boot *boot = vm->boot;
	const struct boot_image *image = &boot->image;
	const struct boot_segment initrd = {
		.filesz = boot->initrd.size,
		.gpa = boot->initrd_gpa,
		.memsz = boot->initrd.size,
	};
	const struct acpi_params acpi = {
		.nr_cpus = vm->cfg->cpus,
		.pci_mem64_base = pci_mem64_base(vm),
		.nr_virtio_mmio = vm->nr_virtio_mmio,
		.hotplug = vm->hotplug != NULL,
	};
	struct memmap map;
	uint8_t *low;
	unsigned int i;
	int ret;

	low = mem_ptr(&vm->mem, 0, BOOT_LOW_END, MEM_WRITE);
	if (!low)
		return error_set(err, EFAULT, "no RAM below 1 MiB");
	for (i = 0; i < image->nr_segments; i++) {
		ret = load_segment(boot, &vm->mem, &boot->kernel,
				   &image->segments[i], err);
		if (ret)
			return ret;
	}
	if (initrd.filesz) {
		ret = load_segment(boot, &vm->mem, &boot->initrd, &initrd, err);
		if (ret)
			return ret;
	}
	ret = acpi_build(&acpi, low + BOOT_ACPI, BOOT_ACPI_SIZE, BOOT_ACPI);
	if (ret < 0)
		return error_sys(err, -ret, "cannot build the ACPI tables");
	memcpy(low + BOOT_CMDLINE, boot->cmdline, strlen(boot->cmdline) + 1);
	memmap_build(&map, &vm->mem);

	memset(entry, 0, sizeof(*entry));
	entry->rip = image->entry;
	image->format->enter(boot, low, &map, entry);
	mem_written(&vm->mem, low, BOOT_LOW_END);
	boot->dirty = true;
	return 0;
}
