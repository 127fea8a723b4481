# SPDX-License-Identifier: GPL-2.0-or-later
# Bash completion for vireo.  Commands and options come from the program's own
# help and names from `vireo ps`, so that there is nothing to keep up to date but
# the kinds of values.

# _vireo_names CUR: of machines that run.  A name may be anything that can be
# printed: compgen -W would expand it.
_vireo_names()
{
	local name
	while read -r name; do
		[[ $name != "$1"* ]] || COMPREPLY+=("$(printf %q "$name")")
	done < <("${COMP_WORDS[0]}" ps --quiet 2>/dev/null)
}

# _vireo_client COMMAND CUR: for all but run and config
_vireo_client()
{
	local words=
	case $COMP_CWORD,$1,$2 in
	2,ps,* | *,-*)
		words=$("${COMP_WORDS[0]}" "$1" --help 2>/dev/null |
			grep -o -e '--[a-z]*')
		;;
	?,net,*) ;;
	2,*) _vireo_names "$2" ;;
	3,resize,*)
		words=$("${COMP_WORDS[0]}" qmp "${COMP_WORDS[2]}" query-block 2>/dev/null |
			sed -n 's/^ *"device": "\([a-z0-9-]*\)".*/\1/p')
		;;
	3,attach,*) words="disk net rng" ;;
	4,attach,*)
		[[ ${COMP_WORDS[3]} != disk ]] ||
			mapfile -t COMPREPLY < <(compgen -f -- "$2")
		;;
	3,detach,*)
		words=$("${COMP_WORDS[0]}" qmp "${COMP_WORDS[2]}" qom-list \
			'{"path": "/machine/peripheral"}' 2>/dev/null |
			sed -n 's/.*"name": "\([A-Za-z0-9._-]*\)".*/\1/p')
		;;
	3,qmp,*)
		words=$("${COMP_WORDS[0]}" qmp "${COMP_WORDS[2]}" \
			query-commands 2>/dev/null |
			sed -n 's/.*"name": "\([a-z0-9_-]*\)".*/\1/p')
		;;
	esac
	[[ -z $words ]] || mapfile -t COMPREPLY < <(compgen -W "$words" -- "$2")
}

# _vireo_img CUR PREV
_vireo_img()
{
	local words=
	if ((COMP_CWORD == 2)); then
		words=$("${COMP_WORDS[0]}" img --help 2>/dev/null |
			sed -n 's/^Usage: vireo img \([a-z|]*\).*/\1/p' | tr '|' ' ')
	else
		case $2 in
		--format | --to | --backing-format) words="raw qcow2" ;;
		--compat) words="0.10 1.1" ;;
		--compression) words="zlib zstd" ;;
		--repair) words="leaks all" ;;
		*)
			[[ $1 != -* ]] || words=$("${COMP_WORDS[0]}" img \
				"${COMP_WORDS[2]}" --help 2>/dev/null |
				grep -o -e '--[a-z-]*')
			;;
		esac
	fi
	if [[ -n $words ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$1")
	elif ((COMP_CWORD > 2)); then
		mapfile -t COMPREPLY < <(compgen -f -- "$1")
		compopt -o filenames
	fi
}

_vireo()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
	local vireo=${COMP_WORDS[0]} words option prefix=

	COMPREPLY=()
	if ((COMP_CWORD == 1)); then
		words=$("$vireo" help 2>/dev/null | sed -n 's/^  \([a-z]*\) .*/\1/p')
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
		return
	fi
	case ${COMP_WORDS[1]},$COMP_CWORD in
	run,*) ;;
	config,2)
		mapfile -t COMPREPLY < <(compgen -W "--check --print --schema" -- "$cur")
		return
		;;
	config,3)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		compopt -o filenames
		return
		;;
	config,*) ;;
	img,*)
		_vireo_img "$cur" "$prev"
		return
		;;
	*)
		_vireo_client "${COMP_WORDS[1]}" "$cur"
		return
		;;
	esac

	# Bash cuts words at = and :, as COMP_WORDBREAKS says.
	option=$prev
	if [[ $cur == = ]]; then
		option=${prev##*,} cur=
	elif [[ $prev == = ]]; then
		option=${COMP_WORDS[COMP_CWORD-2]##*,}
	elif [[ $prev == : && ${COMP_WORDS[COMP_CWORD-2]} == @(file|unix) ]]; then
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		compopt -o filenames
		return
	fi

	case $option in
	--disk | --scsi)
		prefix=${cur%"${cur##*,}"}
		compopt -o nospace
		if [[ -n $prefix ]]; then
			words="ro serial= format= cache= aio= iothreads= on-error="
			words+=" iops= iops-burst= bps= bps-burst="
			[[ $option = --scsi ]] ||
				words+=" queues= cpus= poll= block-size= physical-size= min-io= opt-io="
		else
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			compopt -o filenames
		fi
		;;
	--net)
		compopt -o nospace
		prefix=${cur%"${cur##*,}"}
		if [[ -n $prefix ]]; then
			words="mac= mtu= hostfwd= subnet= isolated name= fd= path= queues="
			words+=" iothreads= cpus= iops= iops-burst= bps= bps-burst="
		else
			words="user tap link passt"
		fi
		;;
	format) words="raw qcow2 auto" ;;
	cache) words="auto none writeback writethrough" ;;
	aio) words="auto libaio io_uring threads kernel" ;;
	on-error) words="report stop" ;;
	--kernel | --initrd | --config | --cdrom | --rng | path | source)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		compopt -o filenames
		;;
	--console | --virtio-console)
		words="stdio pty file: unix: socket none"
		[[ $cur != [fu]* ]] || compopt -o nospace
		;;
	--module | --control) words="auto on off" ;;
	--qmp)
		words="unix: fd: stdio"
		compopt -o nospace
		;;
	--on-crash) words="stop reset poweroff pause" ;;
	--gdb | listen)
		words="tcp:127.0.0.1: unix:"
		compopt -o nospace
		prefix=${cur%"${cur##*,}"}
		[[ -z $prefix ]] || words='wait'
		;;
	--sandbox) words="on strict off" ;;
	--log) words="error warn info debug" ;;
	--memory)
		compopt -o nospace
		prefix=${cur%"${cur##*,}"}
		[[ -z $prefix ]] || words="backend= huge node= prefault"
		;;
	--virtio)
		compopt -o nospace
		prefix=${cur%"${cur##*,}"}
		words="pci mmio"
		[[ -z $prefix ]] || words="packed transitional"
		;;
	transport) words="pci mmio" ;;
	backend) words="auto vireo memfd hugetlb" ;;
	huge | prefault | server | --paused) words="on off" ;;
	--append | --name | --cpus | serial | size | node) ;;
	*)
		words=$("$vireo" run --help 2>/dev/null |
			grep -o '^ *--[a-z-]*')
		;;
	esac
	[[ -z $words ]] ||
		mapfile -t COMPREPLY < <(compgen -P "$prefix" -W "$words" -- "${cur##*,}")
}

complete -F _vireo vireo
