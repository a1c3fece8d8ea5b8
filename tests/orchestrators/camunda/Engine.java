import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;

@EnableAutoConfiguration
public class Engine {
    public static void main(String[] args) {
        SpringApplication.run(Engine.class, args);
    }
}
