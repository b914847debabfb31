#!/usr/bin/env ruby
# Sidekiq: https://github.com/sidekiq/sidekiq/wiki.  The acts of driver.js: a client, or a worker, which is Sidekiq's own command.
#
#   sidekiq_driver.rb client|worker SETTINGS
#
# Its worker cannot be held.  Where one must be, what it is to do waits in another queue, which `go` renames.
require 'json'
ENV['DULY_PEER_SETTINGS'] = ARGV[1]
require_relative 'sidekiq_job'
require 'sidekiq/api'

BYTES = 256
WARM = 5
HELD = 'held'.freeze
QUEUE = 'default'.freeze

def name(prefix, number)
  format('%s%07d', prefix, number)
end

# 256 bytes as JSON, whatever the id.
def arguments(id)
  [id, 'x' * (BYTES - JSON.generate([id, '']).size)]
end

def answer(said)
  $stdout.puts(JSON.generate(said))
  $stdout.flush
end

def together(count, &calls)
  Array.new(count) { Thread.new(&calls) }.each(&:join)
end

# 0, 1, 2 … to several threads.
class Numbers
  attr_reader :given

  def initialize
    @given = 0
    @lock = Mutex.new
  end

  def next
    @lock.synchronize { (@given += 1) - 1 }
  end
end

# The acts of a client, each with what it was told.
class Client
  def add(id)
    Noop.perform_async(*arguments(id))
  end

  # The first of each caller are not timed: connections are made with them.
  def enqueue(prefix:, callers:, seconds:)
    numbers = Numbers.new
    together(callers) { WARM.times { add(name(prefix, numbers.next)) } }
    warm = numbers.given
    begun = now_us
    together(callers) { add(name(prefix, numbers.next)) while now_us < begun + seconds * 1e6 }
    { jobs: numbers.given - warm, warm: warm, seconds: (now_us - begun) / 1e6 }
  end

  def bulk(prefix:, count:, batch:, held:, due: nil, start: nil, rate: nil)
    begun = now_us
    (0...count).each_slice(batch) do |numbers|
      job = { 'class' => Noop, 'queue' => held ? HELD : QUEUE, 'args' => numbers.map { |one| arguments(name(prefix, one)) } }
      job['at'] = numbers.map { |one| (rate ? start + one * 1000 / rate : due) / 1000.0 } if rate || due
      Sidekiq::Client.push_bulk(job)
    end
    { jobs: count, seconds: (now_us - begun) / 1e6 }
  end

  def paced(prefix:, rate:, seconds:, callers:, log:)
    numbers = Numbers.new
    lines = Queue.new
    begun = now_us
    together(callers) do
      while now_us < begun + seconds * 1e6 && (number = numbers.next) < rate * seconds
        due = begun + (number * 1e6 / rate).to_i
        sleep([due - now_us, 0].max / 1e6)
        sent = now_us
        add(name(prefix, number))
        lines << "#{name(prefix, number)} #{due} #{sent} #{now_us}\n"
      end
    end
    jobs = lines.size
    File.write(log, Array.new(jobs) { lines.pop }.join)
    { jobs: jobs, seconds: (now_us - begun) / 1e6 }
  end

  # What a worker has taken is not in Redis any more, so it is not among them.
  def unfinished
    stats = Sidekiq::Stats.new
    { jobs: stats.queues.values.sum + stats.scheduled_size + stats.retry_size }
  end

  # Each worker is told; the first one does it.
  def go
    Sidekiq.redis do |redis|
      redis.sadd('queues', [QUEUE])
      redis.rename("queue:#{HELD}", "queue:#{QUEUE}") if redis.exists?("queue:#{HELD}")
    end
    {}
  end
end

def told
  $stdin.each_line do |line|
    asked = JSON.parse(line, symbolize_names: true)
    answer(yield(asked.delete(:act), asked))
  end
end

def client
  one = Client.new
  one.unfinished
  answer({ ready: true, pid: Process.pid })
  told { |act, asked| asked.empty? ? one.public_send(act) : one.public_send(act, **asked) }
end

def worker
  # It ends when this process does, however that comes.
  command = ['setpriv', '--pdeathsig=KILL', 'sidekiq', '-r', File.join(__dir__, 'sidekiq_job.rb'), '-q', QUEUE, '-c', SERVER['concurrency'].to_s]
  out = IO.popen(command)
  abort('the worker did not begin') unless out.each_line.any? { |line| line.chomp == 'ready' }
  answer({ ready: true, pid: out.pid })
  one = Client.new
  told { |act, _| SETTINGS['held'] ? one.public_send(act) : {} }
  Process.kill(:KILL, out.pid)
  out.close
end

ARGV[0] == 'client' ? client : worker
